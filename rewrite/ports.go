package rewrite

import (
	"cmp"
	"net/netip"
	"strconv"
	"strings"

	"github.com/docker/go-connections/nat"
	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// portOf reads a key of PortBindings or ExposedPorts as Engines do: "80",
// "80/" and "0080/TCP" are 80/tcp. A malformed number is 0.
func portOf(key string) policy.Port {
	number, err := strconv.ParseUint(nat.Port(key).Port(), 10, 16)
	if err != nil {
		number = 0
	}
	protocol, _, _ := strings.Cut(nat.Port(key).Proto(), "/")
	if protocol == "" {
		protocol = "tcp"
	}
	return policy.Port{Container: int(number), Protocol: strings.ToLower(protocol), Bindable: true}
}

// containerPort is what PublishAllPorts publishes at most once.
type containerPort struct {
	number   int
	protocol string
}

// comparePorts orders container ports.
func comparePorts(a, b policy.Port) int {
	return cmp.Or(cmp.Compare(a.Container, b.Container), cmp.Compare(a.Protocol, b.Protocol))
}

// hostPort is a host port in its shortest spelling: a number, a range, or ""
// for any free port. Engines ignore a slash and what follows.
func hostPort(text string) string {
	text, _, _ = strings.Cut(text, "/")
	low, high, isRange := strings.Cut(text, "-")
	low, high = strings.TrimLeft(low, "0"), strings.TrimLeft(high, "0")
	if !isRange || low == high {
		return low
	}
	return low + "-" + high
}

// hostIP is a host address in its shortest spelling. It is "" for a malformed
// address, with which Engines before 29 publish on every interface.
func hostIP(text string) string {
	if text == "" {
		return "" // faster than an error
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return ""
	}
	return addr.Unmap().String()
}

// portlessDrivers are the drivers of the networks that publish no port: the host's
// network, and none (moby: daemon/network).
var portlessDrivers = map[string]string{"host": "host", "none": "null"}

// portlessNetwork is the name of a container's only network if that publishes no
// port, and "" otherwise.
func (c *reading) portlessNetwork(networks jsonedit.Value) string {
	only := ""
	for name, endpoint := range networks.Members() {
		driver, found := portlessDrivers[name]
		// A NetworkID takes precedence over the name.
		if id := endpoint.Field("NetworkID").Text(); found && id != "" {
			found = c.engine(aNetwork, id).Field("Driver").Text() == driver
		}
		if !found || only != "" {
			return ""
		}
		only = name
	}
	return only
}

// portlessMode is the network mode of a new container if it publishes no port:
// host, none or container. It is "" if it can publish ports.
func (c *reading) portlessMode(mode string, networks jsonedit.Value) string {
	if strings.HasPrefix(mode, "container:") {
		return "container" // Docker refuses to publish a port then, Podman forgets it
	}
	if portlessDrivers[mode] != "" && (networks.OrAbsent().Empty() || c.portlessNetwork(networks) == mode) {
		return mode
	}
	return ""
}
