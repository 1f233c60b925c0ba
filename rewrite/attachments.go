package rewrite

import (
	"slices"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// networkMode claims what a container's NetworkMode leads to.
func (c *call) networkMode(mode jsonedit.Value) {
	if name, found := strings.CutPrefix(mode.Text(), "container:"); found {
		c.joined(name, mode)
		return
	}
	c.attachMode(mode.Text(), mode)
}

// attachMode claims the networks of a NetworkMode that joins no container.
// Podman reads more than a name in it: "ns:/proc/1/ns/net", "pasta:-t,80:80",
// "lan:ip=10.0.0.7", "a,b".
func (c *call) attachMode(mode string, at jsonedit.Value) {
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
func (c *call) attach(name string, at jsonedit.Value) {
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
func (c *call) attachment(n policy.Network, at jsonedit.Value) {
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
func (c *call) joined(name string, at jsonedit.Value) {
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
func (c *call) containerNetworks(x, at jsonedit.Value, depth int) {
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
func (c *call) networks(x, at, left jsonedit.Value) (listed bool) {
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

// pinText puts a name that cannot come to mean something else in the place of
// one that can.
func (c *call) pinText(at jsonedit.Value, text string) {
	if at.Absent() || at.Doc.Name != "" || at.Text() == text {
		return
	}
	c.then = append(c.then, func() {
		c.note(at, jsonedit.Quote(text))
		c.Replace(at, jsonedit.Quote(text))
	})
}
