package rewrite

import (
	"cmp"
	"net/http"
	"path"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

func containerCreate(c *reading) {
	body := c.body()
	labels := body.Field("Labels")
	c.about(c.query("name"), body.Field("Image").Text(), labels)

	// If HostConfig is missing, Engines before 27 read its fields from the body
	// itself. VolumeDriver they read there in any case.
	host := body.Field("HostConfig")
	if host.Absent() {
		host = body
	} else {
		c.volumeDriver(body)
	}
	networks := body.Field("NetworkingConfig").Field("EndpointsConfig")
	c.portBindings(host.Member("PortBindings"))
	if host.Field("PublishAllPorts").Flag() {
		c.publishAll(host, body.Field("ExposedPorts"), c.imagePorts(c.container.Image))
	}
	c.markUnpublished(c.portlessMode(host.Field("NetworkMode").Text(), networks))
	c.desktopLabels(labels)

	c.networkMode(host.Field("NetworkMode"))
	for name, endpoint := range networks.Members() {
		c.attach(name, endpoint)
		c.attach(endpoint.Field("NetworkID").Text(), endpoint.Field("NetworkID"))
	}
	c.binds(host)
	c.mounts(host.Field("Mounts"))
	c.volumeTexts(body.Field("Volumes"))
	c.volumesFrom(host.Field("VolumesFrom"))
	c.privileges(host)
	c.workingDir(body.Field("WorkingDir"))
	c.serviceEnvironment(body.Field("Env"))
}

// serviceEnvironment claims variables without a value, as in "TOKEN" or "*": Podman
// gives the container those of its own service.
func (c *reading) serviceEnvironment(env jsonedit.Value) {
	for item := range env.Items() {
		if text := item.Text(); text != "" && !strings.Contains(text, "=") && c.podman() {
			c.claim(policy.Privilege{Name: "libpod", Value: "env " + text}, item)
		}
	}
}

func containerStart(c *reading) {
	// Below API 1.24, Engines before 26 replace the container's HostConfig by the
	// body's. They ignore a body of up to 7 bytes.
	if len(c.text) > 7 {
		body := c.body()
		host := body.Field("HostConfig")
		if host.Absent() {
			host = body
		}
		c.portBindings(host.Member("PortBindings"))
		if host.Field("PublishAllPorts").Flag() {
			c.publishAll(host, c.inspect(c.vars["name"]).Field("Config").Field("ExposedPorts"))
		}
		c.networkMode(host.Field("NetworkMode"))
		c.binds(host)
		c.mounts(host.Field("Mounts"))
		c.volumesFrom(host.Field("VolumesFrom"))
		c.privileges(host)
	}
	if name, dir := c.query("checkpoint"), c.query("checkpoint-dir"); name != "" || dir != "" {
		c.parameter(policy.Privilege{Name: "checkpoint", Value: path.Join(dir, name)}, "checkpoint")
	}
	c.target(kinds{ports: true})
}

// containerRestart refuses a parameter with which Podman 4 restarts all containers.
func containerRestart(c *reading) {
	if c.query("all") != "" && c.podman() {
		c.refuse(http.StatusBadRequest, "?all restarts containers that the call does not name")
	}
	c.target(kinds{ports: true})
}

func containerAttach(c *reading) {
	c.target(kinds{fresh: true})
}

// containerEnter reads calls that reach into a container that exists. They open no
// port, but get its mounts, networks and privileges.
func containerEnter(c *reading) {
	c.target(kinds{})
}

func containerExec(c *reading) {
	body := c.body()
	if body.Field("Privileged").Flag() {
		c.claim(policy.Privilege{Name: "exec_privileged"}, body.Field("Privileged"))
	}
	c.workingDir(body.Field("WorkingDir"))
	c.target(kinds{})
}

// execStart reads the exec and its container as the Engine has them: whoever
// learns the id of an exec can start it and gets its output.
func execStart(c *reading) {
	exec := c.engine(anExec, c.vars["id"])
	if exec.Absent() { // the Engine says so itself; nobody can choose the id of an exec to come
		return
	}
	c.exists(exec, "the exec was created without safesock or under another policy")
	if privileged := exec.Field("ProcessConfig").Field("privileged"); privileged.Flag() {
		c.claim(policy.Privilege{Name: "exec_privileged"}, privileged)
	}
	if x := c.mustInspect(exec.Field("ContainerID").Text()); !x.Absent() {
		c.aboutExisting(x)
		c.besidesPorts(x)
	}
}

// containerUpdate also reads the container as the Engine has it if the Engine then
// starts it by itself, or runs other commands in it.
func containerUpdate(c *reading) {
	c.container.Name = c.vars["name"]
	body := c.body()
	c.devices(body)
	c.anything("libpod", body.Field("health_log_destination"), healthLogs)
	switch restart := cmp.Or(body.Field("RestartPolicy").Field("Name").Text(), c.query("restartPolicy")); {
	case restart != "" && restart != "no":
		c.target(kinds{ports: true})
	case body.Field("health_cmd").Text() != "" || body.Field("health_startup_cmd").Text() != "":
		c.target(kinds{})
	}
}

func containerCheckpoint(c *reading) {
	c.container.Name = c.vars["name"]
	dir := c.body().Field("CheckpointDir")
	c.claim(policy.Privilege{Name: "checkpoint", Value: dir.Text()}, dir)
}

// containerCheckpointDelete claims the host's folder from which a checkpoint is
// removed.
func containerCheckpointDelete(c *reading) {
	c.container.Name = c.vars["name"]
	c.parameter(policy.Privilege{Name: "checkpoint", Value: path.Join(c.query("dir"), c.vars["checkpoint"])}, "dir")
}

// containerCommit claims nothing: the Engine creates an image of a container, but
// does not run it.
func containerCommit(c *reading) {
	c.container.Name = c.query("container")
}
