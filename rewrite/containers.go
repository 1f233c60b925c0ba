package rewrite

import (
	"path"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

func containerCreate(c *call) {
	body := c.body()
	labels := body.Field("Labels")
	c.about(c.query("name"), body.Field("Image").Text(), labels)

	// Engines before 27 read the fields of HostConfig beside it, if it is
	// missing. VolumeDriver they read there in any case.
	host := body.Field("HostConfig")
	if host.Absent() {
		host = body
	} else {
		c.volumeDriver(body)
	}
	networks := body.Field("NetworkingConfig").Field("EndpointsConfig")
	c.unpublished = c.portlessMode(host.Field("NetworkMode").Text(), networks)
	c.portBindings(host.Member("PortBindings"))
	if host.Field("PublishAllPorts").Flag() {
		c.publishAll(host, body.Field("ExposedPorts"), c.imagePorts(c.container.Image))
	}
	c.unpublished = ""
	c.desktopLabels(labels)

	c.networkMode(host.Field("NetworkMode"))
	for name, endpoint := range networks.Members() {
		c.attach(name, endpoint)
		c.attach(endpoint.Field("NetworkID").Text(), endpoint.Field("NetworkID"))
	}
	c.binds(host)
	c.mounts(host.Field("Mounts"))
	c.volumeKeys(body.Field("Volumes"))
	c.volumesFrom(host.Field("VolumesFrom"))
	c.privileges(host)
	c.workingDir(body.Field("WorkingDir"))
}

// about keeps what a call says about its container, for the rules to see.
func (c *call) about(name, image string, labels jsonedit.Value) {
	of := labels.TextMap()
	c.container = policy.Container{Name: name, Image: image, Labels: of}
	c.compose = policy.Compose{
		Project: of["com.docker.compose.project"],
		Service: of["com.docker.compose.service"],
		Files:   of["com.docker.compose.project.config_files"],
		Dir:     of["com.docker.compose.project.working_dir"],
	}
}

// kinds are the kinds of claims that a container makes as the Engine holds it.
type kinds struct {
	ports bool
	fresh bool // ports, too, if it was never started: Podman opens them when somebody attaches to it
}

// target reads the container that the path names as the Engine holds it. What
// a decision would change there cannot be changed any more, and refuses. The
// call is forwarded with the container's id.
func (c *call) target(of kinds) {
	x := c.mustInspect(c.Vars["name"])
	if x.Absent() {
		return
	}
	c.aboutExisting(x)
	if of.ports || of.fresh && x.Field("State").Field("Status").Text() == "created" {
		c.started(x, map[string]bool{})
	} else {
		c.existing(x)
	}
	c.held = ""
	c.pin("name", x.Field("Id").Text())
}

// existing claims what a container has, as the Engine holds it, besides ports.
func (c *call) existing(x jsonedit.Value) {
	if pod := c.podmans(x).Field("Pod").Text(); pod != "" {
		c.infra = c.engine(aPod, pod).Field("InfraContainerID").Text()
	}
	c.containerNetworks(x, x, 0)
	c.containerMounts(x, x)
	c.privileges(x.Field("HostConfig"))
	c.workingDir(x.Field("Config").Field("WorkingDir"))
	c.infra = ""
}

// started claims what a container gets when it starts, and what those get that
// Podman starts with it: the containers whose namespaces it has, and those that
// it was said to need. Each is read once.
func (c *call) started(x jsonedit.Value, read map[string]bool) {
	id := x.Field("Id").Text()
	if read[id] {
		return
	}
	read[id] = true
	bindings, all := x.Field("HostConfig").Field("PortBindings"), x.Field("HostConfig").Field("PublishAllPorts")
	if has := !bindings.Empty() || all.Flag(); has && c.portlessNetwork(x.Field("NetworkSettings").Field("Networks")) == "" {
		c.ports(x)
	}
	c.existing(x)
	for _, needed := range c.podmans(x).Field("Dependencies").Texts() {
		held := c.held
		other := c.mustInspect(needed)
		c.held = "the container " + nameOf(other) + ", which starts with it, was created without safesock; remove both and create them again"
		c.started(other, read)
		c.held = held
	}
}

// podmans is a container in the form of Podman's own API, which tells more of it
// than Docker's. It is absent if the Engine is Docker.
func (c *call) podmans(x jsonedit.Value) jsonedit.Value {
	id := x.Field("Id").Text()
	if a := c.get(Lookups[aContainer].Target(id)); a == nil || a.Docker {
		return jsonedit.Value{}
	}
	return c.engine(aPodmanContainer, id)
}

// ports claims the ports that a container has, as the Engine holds it.
func (c *call) ports(x jsonedit.Value) {
	host := x.Field("HostConfig")
	c.portBindings(host.Member("PortBindings"))
	c.publishAll(host, x.Field("Config").Field("ExposedPorts"))
}

// nameOf is a container's name. The Engine writes a slash before it.
func nameOf(x jsonedit.Value) string { return strings.TrimPrefix(x.Field("Name").Text(), "/") }

// aboutExisting is about for a container that exists. What is claimed from
// then on, until held is cleared, is held by that container.
func (c *call) aboutExisting(x jsonedit.Value) {
	config := x.Field("Config")
	c.about(nameOf(x), config.Field("Image").Text(), config.Field("Labels"))
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
		host := body.Field("HostConfig")
		if host.Absent() {
			host = body
		}
		c.portBindings(host.Member("PortBindings"))
		if host.Field("PublishAllPorts").Flag() {
			c.publishAll(host, c.inspect(c.Vars["name"]).Field("Config").Field("ExposedPorts"))
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

func containerRestart(c *call) {
	c.target(kinds{ports: true})
}

func containerAttach(c *call) {
	c.target(kinds{fresh: true})
}

// containerEnter is for calls that reach into a container that exists. They
// open no port, but get what it has: mounts, networks, privileges.
func containerEnter(c *call) {
	c.target(kinds{})
}

func containerExec(c *call) {
	body := c.body()
	if body.Field("Privileged").Flag() {
		c.claim(policy.Privilege{Name: "exec_privileged"}, body.Field("Privileged"))
	}
	c.workingDir(body.Field("WorkingDir"))
	c.target(kinds{})
}

func containerUpdate(c *call) {
	c.container.Name = c.Vars["name"]
	body := c.body()
	c.devices(body)
	c.anything("libpod", body.Field("health_log_destination"), healthLogs)
}

func containerCheckpoint(c *call) {
	c.container.Name = c.Vars["name"]
	dir := c.body().Field("CheckpointDir")
	c.claim(policy.Privilege{Name: "checkpoint", Value: dir.Text()}, dir)
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
func (c *call) inspect(name string) jsonedit.Value { return c.engine(aContainer, name) }

// mustInspect is inspect for a container without which the call is refused.
func (c *call) mustInspect(name string) jsonedit.Value { return c.must(aContainer, name) }

// podmanEngine is what Podman calls itself in the Components of its version.
const podmanEngine = "Podman Engine"

// podman tells whether the Engine is Podman.
func (c *call) podman() bool {
	for part := range c.engine(engineVersion, "").Field("Components").Items() {
		if part.Field("Name").Text() == podmanEngine {
			return true
		}
	}
	return false
}
