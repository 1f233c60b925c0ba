package rewrite

import (
	"net"
	"net/netip"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// swarmInit claims where a new swarm listens.
func swarmInit(c *reading) {
	c.swarmListens(c.body())
	grants("swarm", "init")(c)
}

// swarmJoin claims where a node listens, and the managers that it joins: these can
// run any container on this host.
func swarmJoin(c *reading) {
	body := c.body()
	c.swarmListens(body)
	remotes := body.Field("RemoteAddrs")
	c.claim(policy.Privilege{Name: "swarm", Value: strings.TrimSpace("join " + strings.Join(remotes.Texts(), " "))}, remotes)
}

// dockerListens is what the docker command sends if its user names no address.
const dockerListens = "0.0.0.0:2377"

// swarmListens claims the manager's port. The gossip port, 7946, has the same
// address. The data of overlay networks arrives on every interface, whatever
// DataPathAddr says: the kernel's VXLAN listens on no particular address.
func (c *reading) swarmListens(body jsonedit.Value) {
	if body.Absent() {
		return // the Engine refuses it
	}
	listen := body.Field("ListenAddr")
	host, port, err := net.SplitHostPort(listen.Text())
	if err != nil {
		host, port = listen.Text(), "2377"
	}
	ip := c.listenIP(host)
	if listen.Text() == dockerListens {
		ip = ""
	}
	cl := c.claim(policy.Port{Protocol: "tcp", Host: port, IP: ip, Bindable: true}, listen)
	cl.edit = func(d policy.Decision) string {
		text := jsonedit.Quote(net.JoinHostPort(d.To[0].String(), port))
		if text != listen.Raw() {
			c.Set(body, "ListenAddr", text)
		}
		return text
	}
	c.claim(policy.Network{Mode: "overlay", Name: "ingress", Driver: "overlay"}, body.Field("DataPathPort"))
}

// listenIP is the address that a swarm listens on, "" if it is unknown. The host
// can be the name of an interface; then the Engine takes its IPv4 address.
func (c *reading) listenIP(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil && ip.Zone() == "" {
		return ip.Unmap().String()
	}
	addrs, err := c.world.Addresses(host)
	if err != nil || len(addrs) == 0 {
		return ""
	}
	for _, ip := range addrs {
		if ip.Unmap().Is4() {
			return ip.Unmap().String()
		}
	}
	return addrs[0].WithZone("").String()
}

// secretCreate claims the driver of a secret. Podman's driver "shell" runs commands
// on the host; a swarm's drivers are plugins. The secret itself is not read.
func secretCreate(c *reading) {
	at := c.body().Field("Driver").Field("Name")
	if name := at.Text(); name != "" && name != "file" {
		c.claim(policy.Privilege{Name: "secret_driver", Value: name}, at)
	}
}
