package rewrite

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/safesock/safesock/policy"
)

func containerCreate(c *call) {
	body := c.body()
	labels := body.field("Labels")
	c.about(c.query("name"), body.field("Image").text(), labels)

	// Engines before 27 read the fields of HostConfig beside it, if it is
	// missing. VolumeDriver they read there in any case.
	host := body.field("HostConfig")
	if host.absent() {
		host = body
	} else {
		c.volumeDriver(body)
	}
	networks := body.field("NetworkingConfig").field("EndpointsConfig")
	c.unpublished = c.portlessMode(host.field("NetworkMode").text(), networks)
	c.portBindings(host.member("PortBindings"))
	if host.field("PublishAllPorts").flag() {
		c.publishAll(host, body.field("ExposedPorts"), c.imagePorts(c.container.Image))
	}
	c.unpublished = ""
	c.desktopLabels(labels)

	c.networkMode(host.field("NetworkMode"))
	for name, endpoint := range networks.members() {
		c.attach(name, endpoint)
		c.attach(endpoint.field("NetworkID").text(), endpoint.field("NetworkID"))
	}
	c.binds(host)
	c.mounts(host.field("Mounts"))
	c.volumeKeys(body.field("Volumes"))
	c.volumesFrom(host.field("VolumesFrom"))
	c.privileges(host)
	c.workingDir(body.field("WorkingDir"))
}

// about keeps what a call says about its container, for the rules to see.
func (c *call) about(name, image string, labels value) {
	of := labels.textMap()
	c.container = policy.Container{Name: name, Image: image, Labels: of}
	c.compose = policy.Compose{
		Project: of["com.docker.compose.project"],
		Service: of["com.docker.compose.service"],
		Files:   of["com.docker.compose.project.config_files"],
		Dir:     of["com.docker.compose.project.working_dir"],
	}
}

// existing are the kinds of claims that a container makes as the Engine holds
// it.
type existing struct {
	ports bool
	fresh bool // ports, too, if it was never started: Podman opens them when somebody attaches to it
}

// target reads the container that the path names as the Engine holds it. What
// a decision would change there cannot be changed any more, and refuses. The
// call is forwarded with the container's id.
func (c *call) target(of existing) {
	x := c.mustInspect(c.Vars["name"])
	if x.absent() {
		return
	}
	c.aboutExisting(x)
	config, host := x.field("Config"), x.field("HostConfig")
	if of.ports || of.fresh && x.field("State").field("Status").text() == "created" {
		bindings := host.member("PortBindings")
		has := !bindings.orAbsent().empty() || host.field("PublishAllPorts").flag()
		if has && c.portlessNetwork(x.field("NetworkSettings").field("Networks")) == "" {
			c.portBindings(bindings)
			c.publishAll(host, config.field("ExposedPorts"))
		}
	}
	c.containerNetworks(x, x, 0)
	c.containerMounts(x, x)
	c.privileges(host)
	c.workingDir(config.field("WorkingDir"))
	c.held = ""
	c.pin("name", x.field("Id").text())
}

// aboutExisting is about for a container that exists. What is claimed from
// then on, until held is cleared, is held by that container.
func (c *call) aboutExisting(x value) {
	config := x.field("Config")
	c.about(strings.TrimPrefix(x.field("Name").text(), "/"), config.field("Image").text(), config.field("Labels"))
	c.held = "the container " + c.container.Name + " was created without safesock; "
	if c.compose.Service != "" {
		c.held += "recreate it: docker compose up --force-recreate " + c.compose.Service
	} else {
		c.held += "remove it (docker rm -f " + c.container.Name + ") and run it again"
	}
}

func containerStart(c *call) {
	// Engines before 26 take a HostConfig in the body for calls below API
	// 1.24, in place of the container's own. Up to 7 bytes they pass over.
	if len(c.Body) > 7 {
		body := c.body()
		host := body.field("HostConfig")
		if host.absent() {
			host = body
		}
		c.portBindings(host.member("PortBindings"))
		if host.field("PublishAllPorts").flag() {
			c.publishAll(host, c.inspect(c.Vars["name"]).field("Config").field("ExposedPorts"))
		}
		c.networkMode(host.field("NetworkMode"))
		c.binds(host)
		c.mounts(host.field("Mounts"))
		c.volumesFrom(host.field("VolumesFrom"))
		c.privileges(host)
	}
	if name, dir := c.query("checkpoint"), c.query("checkpoint-dir"); name != "" || dir != "" {
		c.parameter(policy.Privilege{Name: "checkpoint", Value: path.Join(dir, name)}, "checkpoint")
	}
	c.target(existing{ports: true})
}

func containerRestart(c *call) {
	c.target(existing{ports: true})
}

func containerAttach(c *call) {
	c.target(existing{fresh: true})
}

// containerEnter is for calls that reach into a container that exists. They
// open no port, but get what it has: mounts, networks, privileges.
func containerEnter(c *call) {
	c.target(existing{})
}

func containerExec(c *call) {
	body := c.body()
	if body.field("Privileged").flag() {
		c.claim(policy.Privilege{Name: "exec_privileged"}, body.field("Privileged"))
	}
	c.workingDir(body.field("WorkingDir"))
	c.target(existing{})
}

func containerUpdate(c *call) {
	c.container.Name = c.Vars["name"]
	body := c.body()
	c.devices(body)
	c.anything("libpod", body.field("health_log_destination"), healthLogs)
}

func containerCheckpoint(c *call) {
	c.container.Name = c.Vars["name"]
	dir := c.body().field("CheckpointDir")
	c.claim(policy.Privilege{Name: "checkpoint", Value: dir.text()}, dir)
}

// containerCheckpointDelete claims the folder of the host that a checkpoint is
// removed from.
func containerCheckpointDelete(c *call) {
	c.container.Name = c.Vars["name"]
	c.parameter(policy.Privilege{Name: "checkpoint", Value: path.Join(c.query("dir"), c.Vars["checkpoint"])}, "dir")
}

// containerCommit claims nothing: the Engine makes an image of a container,
// and no container of it.
func containerCommit(c *call) {
	c.container.Name = c.query("container")
}

// inspect is a container as the Engine holds it, absent if there is none.
func (c *call) inspect(name string) value {
	x := c.engine(containerPath(name))
	if id := x.field("Id").text(); id != "" {
		a, _ := c.ask(AboutEngine, containerPath(name))
		c.knows(Question{AboutEngine, containerPath(id)}, a)
	}
	return x
}

// mustInspect refuses the call, in the Engine's own words, if there is no such
// container. It is not left to the Engine to refuse: by the time that it looks,
// another container may have been renamed to that.
func (c *call) mustInspect(name string) value {
	x := c.inspect(name)
	if a, known := c.ask(AboutEngine, containerPath(name)); known && x.absent() && c.refusal == nil {
		said := struct{ Message string }{"No such container: " + name}
		_ = json.Unmarshal(a.Body, &said) // what is no JSON says nothing better
		c.refusal = &Refusal{http.StatusNotFound, said.Message}
	}
	return x
}

func containerPath(name string) string { return "/containers/" + url.PathEscape(name) + "/json" }

// podmanEngine is what Podman calls itself in the Components of its version.
const podmanEngine = "Podman Engine"

// podman tells whether the Engine is Podman.
func (c *call) podman() bool {
	for part := range c.engine("/version").field("Components").items() {
		if part.field("Name").text() == podmanEngine {
			return true
		}
	}
	return false
}
