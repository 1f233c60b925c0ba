package rewrite

import (
	"net/http"
	"strings"

	"github.com/safesock/safesock/rewrite/jsonedit"
)

// networkCreate claims what makes a network more than a new bridge behind the
// Engine's firewall.
func networkCreate(c *reading) {
	network := c.body()
	c.reach(network, network)
	c.refusePrefix(network.Field("Name").Text())

	// The options of a configuration replace the Engine's defaults.
	from := network.Field("ConfigFrom").Field("Network")
	if name := from.Text(); name != "" {
		before := len(c.claims)
		c.options(c.engine(aNetwork, name), network)
		for _, cl := range c.claims[before:] {
			cl.at = from
		}
	}
}

// refusePrefix refuses a network whose name is the beginning of another
// network's id. Engines look for a name first and for the beginning of an id
// then, so that the name would mean the other network once this one is removed.
func (c *reading) refusePrefix(name string) {
	if strings.Trim(name, "0123456789abcdef") != "" || name == "" {
		return
	}
	if other := c.engine(aNetwork, name); !other.Absent() && other.Field("Name").Text() != name {
		c.refuse(http.StatusConflict, "the name %s is the beginning of the id of the network %s; choose another name", name, other.Field("Name").Text())
	}
}

// networkConnect claims what a container gets when it joins a network. The
// endpoint's NetworkID takes precedence over the network in the path. The ports of
// a running container are published at once. A stopped container can be started by
// the Engine itself. A container that runs on the host's network claims no ports:
// Engines refuse to connect it.
func networkConnect(c *reading) {
	id := c.network(c.vars["id"])
	c.pin("id", id)

	body := c.body()
	endpoint := body.Field("EndpointConfig").Field("NetworkID")
	if name := endpoint.Text(); name != "" {
		if id := c.network(name); id != "" {
			c.pinText(endpoint, id)
		}
	}

	container := body.Field("Container")
	if container.Text() == "" {
		return // the Engine refuses it
	}
	x := c.mustInspect(container.Text())
	if x.Absent() {
		return
	}
	c.aboutExisting(x)
	networks := x.Field("NetworkSettings").Field("Networks")
	if running := x.Field("State").Field("Running").Flag(); !running || c.portlessNetwork(networks) != "host" {
		c.ports(x)
	}
	c.pinText(container, x.Field("Id").Text())
}

// networkDisconnect claims what a running container has after it leaves a network.
// If the network was its gateway, another of its networks becomes the gateway, and
// the Engine publishes all ports there (moby: libnetwork, Endpoint.sbLeave).
// Without another network, no port is published.
func networkDisconnect(c *reading) {
	body := c.body()
	container := body.Field("Container")
	name := container.Text()
	if name == "" {
		return // the Engine refuses it
	}
	network, x := c.engine(aNetwork, c.vars["id"]), c.inspect(name)
	if !body.Field("Force").Flag() {
		c.must(aNetwork, c.vars["id"])
		c.mustInspect(name)
	}
	c.pin("id", network.Field("Id").Text())
	if x.Absent() {
		// Force removes an endpoint by name, even if its container is gone.
		x = c.endpoint(network, name)
	} else {
		c.pinText(container, x.Field("Id").Text())
	}
	if x.Absent() {
		return
	}
	c.aboutExisting(x)
	if x.Field("State").Field("Running").Flag() && c.networks(x, x, network) {
		c.ports(x)
	}
}

// endpoint is the container of a network's endpoint, absent if the container is
// gone. If there is no such endpoint, the call is refused.
func (c *reading) endpoint(network jsonedit.Value, name string) jsonedit.Value {
	for id, endpoint := range network.Field("Containers").Members() {
		if endpoint.Field("Name").Text() == name {
			return c.inspect(id)
		}
	}
	return c.mustInspect(name)
}
