package rewrite

import "github.com/safesock/safesock/rewrite/jsonedit"

// kinds are the kinds of claims that a container makes as the Engine holds it.
type kinds struct {
	ports bool
	fresh bool // ports, too, if it was never started: Podman opens them when somebody attaches to it
}

// target reads the container that the path names as the Engine holds it. What
// a decision would change there cannot be changed any more, and refuses. The
// call is forwarded with the container's id.
func (c *reading) target(of kinds) {
	x := c.mustInspect(c.vars["name"])
	if x.Absent() {
		return
	}
	c.aboutExisting(x)
	if of.ports || of.fresh && x.Field("State").Field("Status").Text() == "created" {
		c.started(x, map[string]bool{})
	} else {
		c.held(x)
	}
	c.pin("name", x.Field("Id").Text())
}

// held claims what a container has, as the Engine holds it, besides ports.
func (c *reading) held(x jsonedit.Value) {
	if pod := c.podmans(x).Field("Pod").Text(); pod != "" {
		c.existing[x.Document()].infra = c.engine(aPod, pod).Field("InfraContainerID").Text()
	}
	c.containerNetworks(x, x, 0)
	c.containerMounts(x, x)
	c.privileges(x.Field("HostConfig"))
	c.workingDir(x.Field("Config").Field("WorkingDir"))
}

// started claims what a container gets when it starts, and what those get that
// Podman starts with it: the containers whose namespaces it has, and those that
// it was said to need. Each is read once.
func (c *reading) started(x jsonedit.Value, read map[string]bool) {
	id := x.Field("Id").Text()
	if read[id] {
		return
	}
	read[id] = true
	bindings, all := x.Field("HostConfig").Field("PortBindings"), x.Field("HostConfig").Field("PublishAllPorts")
	if has := !bindings.Empty() || all.Flag(); has && c.portlessNetwork(x.Field("NetworkSettings").Field("Networks")) == "" {
		c.ports(x)
	}
	c.held(x)
	for _, needed := range c.podmans(x).Field("Dependencies").Texts() {
		if other := c.mustInspect(needed); !other.Absent() {
			c.exists(other, "the container "+nameOf(other)+", which starts with it, was created without safesock; remove both and create them again")
			c.started(other, read)
		}
	}
}

// ports claims the ports that a container has, as the Engine holds it.
func (c *reading) ports(x jsonedit.Value) {
	host := x.Field("HostConfig")
	c.portBindings(host.Member("PortBindings"))
	c.publishAll(host, x.Field("Config").Field("ExposedPorts"))
}

// aboutExisting is about for a container that exists.
func (c *reading) aboutExisting(x jsonedit.Value) {
	config := x.Field("Config")
	c.about(nameOf(x), config.Field("Image").Text(), config.Field("Labels"))
	held := "the container " + c.container.Name + " was created without safesock; "
	if c.compose.Service != "" {
		held += "recreate it: docker compose up --force-recreate " + c.compose.Service
	} else {
		held += "remove it (docker rm -f " + c.container.Name + ") and run it again"
	}
	c.exists(x, held)
}
