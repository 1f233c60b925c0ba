package rewrite

import (
	"strconv"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// networkCreate claims what makes a network more than a bridge of its own
// behind the Engine's firewall.
func networkCreate(c *call) {
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
func networkConnect(c *call) {
	id := c.network(c.Vars["id"])
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
	c.held = ""
	c.pinText(container, x.Field("Id").Text())
}

// networkDisconnect claims what a container that runs has when it has left a
// network: if that was its gateway, another one is from then on, and the Engine
// publishes all its ports there (moby: libnetwork, Endpoint.sbLeave). With no
// network left, none is published.
func networkDisconnect(c *call) {
	body := c.body()
	container := body.Field("Container")
	name := container.Text()
	if name == "" {
		return // the Engine refuses it
	}
	network, x := c.engine(aNetwork, c.Vars["id"]), c.inspect(name)
	if !body.Field("Force").Flag() {
		c.must(aNetwork, c.Vars["id"])
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
	c.held = ""
}

// endpoint is the container that a network's endpoint belongs to, absent if it
// is gone. Without such an endpoint the call is refused.
func (c *call) endpoint(network jsonedit.Value, name string) jsonedit.Value {
	for id, endpoint := range network.Field("Containers").Members() {
		if endpoint.Field("Name").Text() == name {
			return c.inspect(id)
		}
	}
	return c.mustInspect(name)
}

// network looks up a network by any name that the Engine knows it by, claims
// what it gives to a container that joins it, and gives its id. The id is ""
// if there is no such network, or if it is not known yet.
func (c *call) network(name string) (id string) {
	if name == "" {
		return ""
	}
	network := c.engine(aNetwork, name)
	c.reach(network, jsonedit.Value{})
	return network.Field("Id").Text()
}

// reach claims what a network gives to the containers that join it besides
// the ports that they publish. The network is one that is made, in the words
// of the call that makes it, or one that the Engine has.
func (c *call) reach(network, made jsonedit.Value) {
	driver := network.Field("Driver")
	switch mode := driver.Text(); mode {
	case "", "bridge", "null", "none":
	case "host", "macvlan", "ipvlan", "overlay":
		c.networkClaim(network, mode, driver)
	default: // a plugin's
		c.networkClaim(network, "plugin", driver)
	}
	for _, swarm := range []struct {
		field jsonedit.Value
		is    bool
	}{
		{network.Field("Scope"), network.Field("Scope").Text() == "swarm"},
		{network.Field("Ingress"), network.Field("Ingress").Flag()},
	} {
		if swarm.is && driver.Text() != "overlay" && (driver.Text() != "host" || !made.Absent()) {
			c.networkClaim(network, "swarm", swarm.field)
		}
	}
	ipam := network.Field("IPAM").Field("Driver")
	switch ipam.Text() {
	case "", "default", "null", "host-local", "dhcp", "none": // the last three are Podman's
	default:
		c.networkClaim(network, "plugin", ipam)
	}
	c.options(network, made)
}

// options claims what a network's options give. A bridge that they name is
// another's if it is there before the network is, or has others on it.
func (c *call) options(network, made jsonedit.Value) {
	for key, option := range network.Field("Options").Members() {
		mode := optionMode(key, option.Text())
		switch {
		case mode == "bridge":
			isOthers := c.world.HasForeignPorts
			if !made.Absent() {
				isOthers = c.world.HasInterface
			}
			if c.host(isOthers, option) {
				c.networkClaim(network, "existing-bridge", option)
			}
		case mode == "default-bridge" && !made.Absent():
			c.networkClaim(network, "existing-bridge", option)
		case mode == "ipv6":
			c.ipv6(network, option)
		case mode != "" && mode != "bridge" && mode != "default-bridge":
			c.networkClaim(network, mode, option)
		}
	}
	if ipv6 := network.Field("EnableIPv6"); ipv6.Flag() {
		c.ipv6(network, ipv6)
	}
}

// ipv6 claims IPv6 from Engines that have no IPv6 firewall by default. Those
// before 27, whose API is 1.46, let neighbours reach every port of a container
// that has a routable address.
func (c *call) ipv6(network, at jsonedit.Value) {
	api := c.engine(engineVersion, "").Field("ApiVersion").Text()
	if olderThan(api, "1.46") {
		c.networkClaim(network, "ipv6", at)
	}
}

func (c *call) networkClaim(network jsonedit.Value, mode string, at jsonedit.Value) {
	c.claim(policy.Network{
		Mode:    mode,
		Name:    network.Field("Name").Text(),
		Driver:  network.Field("Driver").Text(),
		Options: network.Field("Options").TextMap(),
	}, at)
}

// optionMode is the mode of a network claim that a driver's option makes, ""
// if it makes none. The keys are compared exactly, as the Engine does (moby:
// libnetwork/netlabel, libnetwork/drivers/bridge).
func optionMode(key, text string) string {
	switch key {
	case "com.docker.network.bridge.gateway_mode_ipv4", "com.docker.network.bridge.gateway_mode_ipv6":
		switch text {
		case "", "nat", "isolated":
			return ""
		case "routed": // a published port is open to all who have a route, whatever its address
			return "routed"
		}
		return "unprotected" // nat-unprotected, and what a later Engine may know
	case "com.docker.network.bridge.trusted_host_interfaces": // neighbours on these reach every port
		if text != "" {
			return "unprotected"
		}
		return ""
	case "com.docker.network.bridge.name":
		if text != "" {
			return "bridge"
		}
		return ""
	case "com.docker.network.bridge.default_bridge": // takes the Engine's own docker0
		if on, err := strconv.ParseBool(text); on || err != nil {
			return "default-bridge"
		}
		return ""
	case "mode": // Podman's bridge: unmanaged takes one that the host has
		if text == "unmanaged" {
			return "existing-bridge"
		}
		return ""
	case "com.docker.network.enable_ipv6":
		if on, err := strconv.ParseBool(text); on || err != nil {
			return "ipv6"
		}
		return ""
	case "com.docker.network.enable_ipv4",
		"com.docker.network.bridge.enable_icc",
		"com.docker.network.bridge.enable_ip_masquerade",
		"com.docker.network.bridge.host_binding_ipv4", // only for ports without an address, which are decided one by one
		"com.docker.network.bridge.inhibit_ipv4",
		"com.docker.network.container_iface_prefix",
		"com.docker.network.driver.mtu",
		"com.docker.network.driver.overlay.vxlanid_list",
		"com.docker.network.advertise_addr_nmsgs",
		"com.docker.network.advertise_addr_ms",
		"com.docker.network.host_ipv4", // the address that outgoing connections have
		"com.docker.network.host_ipv6":
		return ""
	}
	if strings.HasPrefix(key, "com.docker.network.") {
		return "unknown"
	}
	return ""
}
