package rewrite

import (
	"slices"
	"strconv"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// networkMode claims what a container's NetworkMode leads to.
func (c *reading) networkMode(mode jsonedit.Value) {
	if name, found := strings.CutPrefix(mode.Text(), "container:"); found {
		c.joined(name, mode)
		return
	}
	c.attachMode(mode.Text(), mode)
}

// attachMode claims the networks of a NetworkMode that joins no container.
// Podman reads more than a name in it: "ns:/proc/1/ns/net", "pasta:-t,80:80",
// "lan:ip=10.0.0.7", "a,b".
func (c *reading) attachMode(mode string, at jsonedit.Value) {
	switch kind, _, found := strings.Cut(mode, ":"); {
	case found && slices.Contains([]string{"ns", "pasta", "slirp4netns", "pod"}, kind):
		c.attachment(policy.Network{Mode: kind, Name: mode}, at)
		return
	case found:
		c.attach(kind, at)
	case strings.Contains(mode, ","):
		for _, name := range strings.Split(mode, ",") {
			c.attach(name, at)
		}
	}
	c.attach(mode, at)
}

// attach claims what a network gives to a container, by what the Engine says
// about it. Docker's own bridge gives nothing but published ports. One that
// does not exist claims nothing: the Engine refuses it.
func (c *reading) attach(name string, at jsonedit.Value) {
	switch name {
	case "", "default", "bridge", "none":
		return
	case "host":
		c.attachment(policy.Network{Mode: "host", Name: "host", Driver: "host"}, at)
		return
	}
	before := len(c.claims)
	c.network(name)
	found := slices.Clone(c.claims[before:])
	c.claims = c.claims[:before]
	for _, cl := range found {
		c.attachment(cl.Claim.(policy.Network), at)
	}
}

// attachment claims a network once, however often a call names it.
func (c *reading) attachment(n policy.Network, at jsonedit.Value) {
	for _, cl := range c.claims {
		if other, ok := cl.Claim.(policy.Network); ok && other.Mode == n.Mode && other.Name == n.Name {
			return
		}
	}
	c.claim(n, at)
}

// maxJoined is how many containers may each join the next one's network.
const maxJoined = 16

// joined claims what a container gets with the network of another one, and
// names that by its id, as the Engine does. The name need not be a value of the
// body.
func (c *reading) joined(name string, at jsonedit.Value) {
	x := c.inspect(name)
	if x.Absent() {
		c.attachment(policy.Network{Mode: "container", Name: name}, at)
		return
	}
	c.containerNetworks(x, at, 0)
	c.pinText(at, "container:"+x.Field("Id").Text())
}

// containerNetworks claims the networks of a container that exists. What makes
// the claims is a value of the call, or the container itself.
func (c *reading) containerNetworks(x, at jsonedit.Value, depth int) {
	mode := x.Field("HostConfig").Field("NetworkMode").Text()
	if name, found := strings.CutPrefix(mode, "container:"); found {
		next := c.inspect(name)
		if next.Absent() || depth == maxJoined {
			c.attachment(policy.Network{Mode: "container", Name: name}, at)
			return
		}
		c.containerNetworks(next, at, depth+1)
		return
	}
	if mode == "host" || strings.Contains(mode, ":") {
		c.attachMode(mode, at)
	}
	if !c.networks(x, at, jsonedit.Value{}) {
		c.attach(mode, at)
	}
}

// networks claims the networks that a container is on, but for one that it
// leaves, and tells whether there are any.
func (c *reading) networks(x, at, left jsonedit.Value) (listed bool) {
	for name, endpoint := range x.Field("NetworkSettings").Field("Networks").Members() {
		id := endpoint.Field("NetworkID").Text()
		if id != "" && (id == left.Field("Id").Text() || id == left.Field("Name").Text()) { // Podman has names there
			continue
		}
		listed = true
		if id != "" && name != "bridge" && name != "host" {
			name = id
		}
		c.attach(name, at)
	}
	return listed
}

// network looks up a network by any name that the Engine knows it by, claims
// what it gives to a container that joins it, and gives its id. The id is ""
// if there is no such network, or if it is not known yet.
func (c *reading) network(name string) (id string) {
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
func (c *reading) reach(network, made jsonedit.Value) {
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
func (c *reading) options(network, made jsonedit.Value) {
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
func (c *reading) ipv6(network, at jsonedit.Value) {
	api := c.engine(engineVersion, "").Field("ApiVersion").Text()
	if olderThan(api, "1.46") {
		c.networkClaim(network, "ipv6", at)
	}
}

func (c *reading) networkClaim(network jsonedit.Value, mode string, at jsonedit.Value) {
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
