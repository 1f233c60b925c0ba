package rewrite

import (
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// networkCreate claims what makes a network more than a bridge of its own
// behind the Engine's firewall.
func networkCreate(c *reading) {
	network := c.body()
	c.reach(network, network)

	// A network takes the options of the configuration that it names, and none
	// of the Engine's defaults.
	from := network.Field("ConfigFrom").Field("Network")
	if name := from.Text(); name != "" {
		before := len(c.claims)
		c.options(c.engine(aNetwork, name), network)
		for _, cl := range c.claims[before:] {
			cl.at = from
		}
	}
}

// networkConnect claims what a container gets with a network that it joins. The
// endpoint's NetworkID counts for more than the network in the path. While the
// container runs, the Engine publishes its ports there at once, and one that is
// stopped may be started by the Engine itself. One that runs on the host's
// network cannot leave it, and Engines refuse to connect it.
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

// networkDisconnect claims what a container that runs has when it has left a
// network: if that was its gateway, another one is from then on, and the Engine
// publishes all its ports there (moby: libnetwork, Endpoint.sbLeave). With no
// network left, none is published.
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
		// By force, the endpoint of that name goes, whose container is gone.
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

// endpoint is the container that a network's endpoint belongs to, absent if it
// is gone. Without such an endpoint the call is refused.
func (c *reading) endpoint(network jsonedit.Value, name string) jsonedit.Value {
	for id, endpoint := range network.Field("Containers").Members() {
		if endpoint.Field("Name").Text() == name {
			return c.inspect(id)
		}
	}
	return c.mustInspect(name)
}
