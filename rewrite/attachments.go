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

// attach claims the ways in that a network opens for a container, as the Engine
// describes the network. Docker's default bridge opens none. A network that does
// not exist claims nothing, because the Engine refuses the call.
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

// maxJoined is the longest chain of containers that each join the next one's
// network.
const maxJoined = 16

// joined claims the networks of the container whose network is joined, and
// replaces its name in the body by its id.
func (c *reading) joined(name string, at jsonedit.Value) {
	x := c.inspect(name)
	if x.Absent() {
		c.attachment(policy.Network{Mode: "container", Name: name}, at)
		return
	}
	c.containerNetworks(x, at, 0)
	c.pinText(at, "container:"+x.Field("Id").Text())
}

// containerNetworks claims the networks of a container that exists. The value at
// makes the claims: a value of the call, or the container x itself.
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

// networks claims the networks of a container, except the network that it
// leaves, and reports whether it has any.
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

// network looks up a network by a name or id, claims the ways in that it opens,
// and returns its id. The id is "" if there is no such network, or if the call is
// refused.
func (c *reading) network(name string) (id string) {
	if name == "" {
		return ""
	}
	network := c.engine(aNetwork, name)
	c.reach(network, jsonedit.Value{})
	return network.Field("Id").Text()
}

// reach claims the ways into its containers that a network opens, besides
// published ports. The network is one that the Engine has. If the call creates
// the network, it is the call's body, and so is created, which is absent else.
func (c *reading) reach(network, created jsonedit.Value) {
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
		if swarm.is && driver.Text() != "overlay" && (driver.Text() != "host" || !created.Absent()) {
			c.networkClaim(network, "swarm", swarm.field)
		}
	}
	ipam := network.Field("IPAM").Field("Driver")
	switch ipam.Text() {
	case "", "default", "null", "host-local", "dhcp", "none": // the last three are Podman's
	default:
		c.networkClaim(network, "plugin", ipam)
	}
	c.options(network, created)
}

// options claims the ways in that a network's options open. They can name a
// bridge. It is not the network's own if it exists before the network, or if it
// has ports that are no container's.
func (c *reading) options(network, created jsonedit.Value) {
	for key, option := range network.Field("Options").Members() {
		mode := optionMode(key, option.Text())
		switch {
		case mode == "bridge":
			isOthers := c.world.HasForeignPorts
			if !created.Absent() {
				isOthers = c.world.HasInterface
			}
			if c.host(isOthers, option) {
				c.networkClaim(network, "existing-bridge", option)
			}
		case mode == "default-bridge" && !created.Absent():
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

// ipv6 claims IPv6 at Engines without an IPv6 firewall by default. Before Engine
// 27 (API 1.46), neighbours reach every port of a container with a routable
// address.
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

// optionMode is the mode of the network claim that a driver's option makes, "" if
// the option claims nothing. Keys are compared exactly, as the Engine does (moby:
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
		return "unprotected" // nat-unprotected, and modes of later Engines
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
	case "mode": // Podman's bridge driver: unmanaged takes a bridge that the host has
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
