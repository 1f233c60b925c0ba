package rewrite

import (
	"cmp"
	"slices"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// markUnpublished marks the ports that were claimed so far as not published,
// because of the container's network mode. The mode "" publishes them.
func (c *reading) markUnpublished(mode string) {
	for _, cl := range c.claims {
		if _, isPort := cl.Claim.(policy.Port); isPort {
			cl.portlessMode = mode
		}
	}
}

// unpublishedOutcomes are the outcomes of ports that are not published. Docker
// keeps their bindings, and publishes them when the container joins another
// network. The bindings are edited as the policy says.
func (c *reading) unpublishedOutcomes() (all []Outcome) {
	said := map[string]bool{}
	for _, cl := range c.claims {
		if cl.portlessMode == "" {
			continue
		}
		o := cl.outcome()
		text := o.whyUnpublished(cl.portlessMode)
		if said[text] || strings.HasPrefix(c.path, "/libpod/") { // there Podman says so itself
			text = ""
		}
		said[text] = true
		o.Claim, o.Decision = policy.API{}, policy.Decision{Action: policy.Allow, Rule: o.Decision.Rule, Reason: text}
		all = append(all, o)
	}
	return all
}

// bindings are the bindings of one container port.
type bindings struct {
	list         jsonedit.Value
	container    int32
	protocol     string
	first, count int32 // items of the portList
}

func (b *bindings) port() policy.Port {
	return policy.Port{Container: int(b.container), Protocol: b.protocol, Bindable: true}
}

// portBindings claims each binding of a container's ports. The container ports are
// read in the order of their numbers, in which they make runs.
func (c *reading) portBindings(object jsonedit.Value) {
	all, items := make([]bindings, 0, object.Len()), 0
	for key, list := range object.Members() {
		port := portOf(key)
		all = append(all, bindings{list: list, container: int32(port.Container), protocol: port.Protocol})
		items += max(list.Len(), 1)
	}
	slices.SortStableFunc(all, func(a, b bindings) int {
		return cmp.Or(cmp.Compare(a.container, b.container), cmp.Compare(a.protocol, b.protocol))
	})
	l, before := c.newList(), len(c.claims)
	l.items = make([]portItem, 0, min(items, maxPorts+1))
	for i := range all {
		b := &all[i]
		b.first = int32(len(l.items))
		c.claimBindings(l, b)
		b.count = int32(len(l.items)) - b.first
		if c.refusal != nil {
			return
		}
	}
	slices.SortStableFunc(c.claims[before:], func(a, b *claim) int { return cmp.Compare(a.at.Offset(), b.at.Offset()) })
	if inBody(object) {
		l.write = func() { c.writeBindings(l, all) }
	}
}

// claimBindings claims the bindings of one container port.
func (c *reading) claimBindings(l *portList, b *bindings) {
	// An empty list is one binding without an address for Engines from 25. Podman
	// shows one for a port of a container that is only exposed.
	if b.list.OrAbsent().Empty() {
		b.list.Items()
		if inBody(b.list) || !c.podman() {
			l.item(b.list)
			c.claimPort(l, b.port())
		}
		return
	}
	for binding := range b.list.Items() {
		l.item(binding)
		c.claimPort(l, bindingPort(b, binding))
	}
}

// bindingPort is the port of one binding.
func bindingPort(b *bindings, binding jsonedit.Value) policy.Port {
	port := b.port()
	if binding.IsObject() {
		port.IP = hostIP(binding.Field("HostIp").Text())
		port.Host = hostPort(binding.Field("HostPort").Text())
	}
	return port
}

// writeBindings writes the bindings that decisions change.
func (c *reading) writeBindings(l *portList, all []bindings) {
	if l.unmet(0, len(l.items)) {
		c.Edits = slices.Grow(c.Edits, len(all))
	}
	for i := range all {
		b := &all[i]
		first, end := int(b.first), int(b.first+b.count)
		if c.refusal != nil || !l.unmet(first, end-first) {
			continue
		}
		ports := func(i int, each func(policy.Port)) { each(bindingPort(b, l.items[i].at)) }
		c.move(l, first, end-first, ports, func(i int, ip, hostPort string) string { return movedBinding(l.items[i].at, ip, hostPort) })
		c.Replace(b.list, b.list.WithItems(l.texts[first:end]))
	}
}

// newBinding is the text of a new binding.
func newBinding(ip, hostPort string) string {
	return `{"HostIp":` + jsonedit.Quote(ip) + `,"HostPort":` + jsonedit.Quote(hostPort) + `}`
}

// movedBinding is the text of a binding with another address, or its own if ip is
// "". An empty list stands for a binding.
func movedBinding(binding jsonedit.Value, ip, hostPort string) string {
	switch {
	case ip == "":
		return binding.Raw()
	case !binding.IsObject():
		return newBinding(ip, hostPort)
	}
	var inside jsonedit.Edits
	inside.Set(binding, "HostIp", jsonedit.Quote(ip))
	if hostPort != "" {
		inside.Set(binding, "HostPort", jsonedit.Quote(hostPort))
	}
	return inside.Inside(binding)
}

// publishAll claims the ports that PublishAllPorts publishes: ports without
// bindings that the call or its image exposes. They get explicit bindings, and
// the flag is cleared: if the image changes before the Engine reads it, no other
// port opens.
func (c *reading) publishAll(host jsonedit.Value, exposed ...jsonedit.Value) {
	flag := host.Field("PublishAllPorts")
	if !flag.Flag() {
		return
	}
	bindings := host.Member("PortBindings")
	has := map[containerPort]bool{}
	for key := range bindings.Members() {
		port := portOf(key)
		has[containerPort{port.Container, port.Protocol}] = true
	}
	var keys []string
	for _, ports := range exposed {
		for key := range ports.Members() {
			port := portOf(key)
			if at := (containerPort{port.Container, port.Protocol}); !has[at] && port.Container != 0 && len(keys) <= maxPorts {
				has[at] = true
				keys = append(keys, key)
			}
		}
	}
	slices.SortFunc(keys, func(a, b string) int { return comparePorts(portOf(a), portOf(b)) })
	l := c.newList()
	for _, key := range keys {
		l.item(flag)
		c.claimPort(l, portOf(key))
	}
	if inBody(flag) {
		l.write = func() { c.writeExposed(l, keys, flag, host) }
	}
}

// writeExposed writes explicit bindings for the ports with some keys.
func (c *reading) writeExposed(l *portList, keys []string, flag, host jsonedit.Value) {
	ports := func(i int, each func(policy.Port)) { each(portOf(keys[i])) }
	var members []string
	for i, key := range keys {
		c.move(l, i, 1, ports, func(_ int, ip, hostPort string) string { return newBinding(ip, hostPort) })
		members = append(members, jsonedit.Quote(key)+":["+l.texts[i]+"]")
	}
	if len(keys) == 0 {
		c.note(flag, "false")
	}
	c.Replace(flag, "false")
	bindings := host.Member("PortBindings")
	switch all := strings.Join(members, ","); {
	case all == "":
	case bindings.OrAbsent().Absent():
		c.Set(host, "PortBindings", "{"+all+"}")
	default:
		c.Insert(bindings, all)
	}
}

// imagePorts are the ports that an image exposes. They are absent if there is no
// such image, for which the Engine refuses the call.
func (c *reading) imagePorts(image string) jsonedit.Value {
	if image == "" {
		return jsonedit.Value{}
	}
	return c.engine(anImage, image, Platform(c.query("platform"))).Field("Config").Field("ExposedPorts")
}

// desktopLabels claims the ports that Docker Desktop publishes for labels, as in
// desktop.docker.io/ports/80/tcp=127.0.0.1:8080.
func (c *reading) desktopLabels(labels jsonedit.Value) {
	for name, m := range labels.Members() {
		key, found := strings.CutPrefix(name, "desktop.docker.io/ports/")
		if !found {
			continue
		}
		port := portOf(key)
		ip, host := "", m.Text()
		if i := strings.LastIndexByte(host, ':'); i >= 0 {
			ip, host = host[:i], host[i+1:]
		}
		port.IP, port.Host = hostIP(strings.Trim(ip, "[]")), hostPort(host)
		cl := c.claim(port, m)
		// A label holds one address only.
		cl.edit = func(d policy.Decision) string {
			ip := d.To[0].String()
			if d.To[0].Is6() {
				ip = "[" + ip + "]"
			}
			text := jsonedit.Quote(ip + ":" + host)
			c.Replace(m, text)
			return text
		}
	}
}
