package rewrite

import (
	"strings"

	"github.com/safesock/safesock/rewrite/jsonedit"
)

// kinds are the kinds of claims that are read of a container that exists.
type kinds struct {
	ports bool
	fresh bool // ports if the container was never started: on attach, Podman opens them
}

// target reads the container that the path names as the Engine has it. A
// decision that would change the container refuses the call. The call is
// forwarded with the container's id.
func (c *reading) target(wanted kinds) {
	x := c.mustInspect(c.vars["name"])
	if x.Absent() {
		return
	}
	c.aboutExisting(x)
	if wanted.ports || wanted.fresh && x.Field("State").Field("Status").Text() == "created" {
		c.started(x, map[string]bool{})
	} else {
		c.besidesPorts(x)
	}
	c.pin("name", x.Field("Id").Text())
}

// besidesPorts claims what a container has, except its ports.
func (c *reading) besidesPorts(x jsonedit.Value) {
	if pod := c.podmans(x).Field("Pod").Text(); pod != "" {
		c.existing[x.Document()].infra = c.engine(aPod, pod).Field("InfraContainerID").Text()
	}
	c.containerNetworks(x, x, 0)
	c.containerMounts(x, x)
	c.privileges(x.Field("HostConfig"))
	c.workingDir(x.Field("Config").Field("WorkingDir"))
}

// started claims what a container gets when it starts. Podman also starts its
// dependencies: containers whose namespaces it shares, and those that it requires.
// Each container is read once.
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
	c.besidesPorts(x)
	for _, needed := range c.podmans(x).Field("Dependencies").Texts() {
		if other := c.mustInspect(needed); !other.Absent() {
			c.exists(other, "the container "+nameOf(other)+", which starts with it, was created without safesock or under another policy; remove both and create them again")
			c.started(other, read)
		}
	}
}

// ports claims the ports of a container that exists.
func (c *reading) ports(x jsonedit.Value) {
	host := x.Field("HostConfig")
	c.portBindings(host.Member("PortBindings"))
	c.publishAll(host, x.Field("Config").Field("ExposedPorts"))
}

// aboutExisting does what about does, for a container that exists.
func (c *reading) aboutExisting(x jsonedit.Value) {
	config := x.Field("Config")
	c.about(nameOf(x), config.Field("Image").Text(), config.Field("Labels"))
	name, advice := c.container.Name, "the container "+c.container.Name+" was created without safesock or under another policy; "
	switch {
	case c.compose.Service != "": // Compose keeps the volumes
		advice += "recreate it: docker compose up -d --force-recreate " + c.compose.Service
	case hasAnonymousVolume(x):
		advice += "to create it again with its volumes: docker rename " + name + " " + name + "-old; docker create --name " + name +
			" --volumes-from " + name + "-old, and the rest of its docker run line; docker rm -f " + name + "-old; docker start " + name
	default:
		advice += "remove it (docker rm -f " + name + ") and run it again"
	}
	c.exists(x, advice)
}

// hasAnonymousVolume reports whether a container has a volume that only the
// container leads to: its name is the 64 digits that the Engine chose.
func hasAnonymousVolume(x jsonedit.Value) bool {
	for mount := range x.Field("Mounts").Items() {
		if name := mount.Field("Name").Text(); len(name) == 64 && strings.Trim(name, "0123456789abcdef") == "" {
			return true
		}
	}
	return false
}
