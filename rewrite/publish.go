package rewrite

import (
	"cmp"
	"net/http"
	"net/netip"
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

// publish lets decisions change a list. The list must be in the call's body.
func (c *reading) publish(l *portList) {
	for i := range l.entries {
		for _, cl := range l.entries[i].claims {
			cl.listed = true
		}
	}
	c.lists = append(c.lists, l)
}

// writeLists writes the lists that a decision changes.
func (c *reading) writeLists() {
	for _, l := range c.lists {
		if texts, changed := l.texts(c); changed && c.refusal == nil {
			l.write(texts)
		}
	}
}

// texts returns the text of each entry after the decisions, and reports whether
// the list has to be written.
func (l *portList) texts(c *reading) (texts []string, changed bool) {
	unmet := func(cl *claim) bool { return !cl.met(c.listen) }
	changed = l.all || slices.ContainsFunc(l.entries, func(e portEntry) bool { return slices.ContainsFunc(e.claims, unmet) })
	if !changed {
		return nil, false
	}
	kept := map[policy.Port]bool{} // what stays published, each with a host address and port
	for _, e := range l.entries {
		for _, cl := range e.claims {
			if !unmet(cl) {
				keep(kept, cl.Claim.(policy.Port))
			}
		}
	}
	for _, e := range l.entries {
		text := cmp.Or(e.text, e.at.Raw())
		if i := slices.IndexFunc(e.claims, unmet); i >= 0 {
			text = e.moved(c, e.claims[i], kept)
		}
		texts = append(texts, text)
	}
	return texts, true
}

// moved is the text of an entry with the addresses of a decision. An address that
// the list publishes the port on already is left out: the Engine would find the
// port in use.
func (e *portEntry) moved(c *reading, first *claim, kept map[policy.Port]bool) string {
	to := first.decision.To
	for _, cl := range e.claims {
		if !slices.Equal(cl.decision.To, to) {
			c.refuse(http.StatusBadRequest, "%s: its ports go to different addresses; give each a mapping of its own", e.at.Pointer())
			return ""
		}
	}
	if e.loose && len(to) > 1 {
		c.refuse(http.StatusBadRequest, "%s: a range without host ports can go to one address only; name the host ports", e.at.Pointer())
		return ""
	}
	hostPort := c.sharedPort(first.Claim.(policy.Port), to)
	var texts []string
	for _, ip := range to {
		isNew := false
		for _, cl := range e.claims {
			port := cl.Claim.(policy.Port)
			port.IP, port.Host = ip.String(), cmp.Or(hostPort, port.Host)
			isNew = keep(kept, port) || isNew
		}
		if isNew {
			texts = append(texts, e.on(e.at, ip.String(), hostPort))
		}
	}
	text := strings.Join(texts, ",")
	for _, cl := range e.claims {
		cl.edited, cl.after, cl.hostPort = true, text, hostPort
	}
	return text
}

// keep adds a port on a host address to those that are kept, and reports whether
// it is new. A host port that the Engine chooses is always new.
func keep(kept map[policy.Port]bool, port policy.Port) bool {
	chosen := port.Host == "" || strings.Contains(port.Host, "-")
	isNew := chosen || !kept[port]
	kept[port] = true
	return isNew
}

// sharedPort chooses the host port of a port that is published on several
// addresses and names no single host port. The Engine would choose one for each
// address, but all must be the same. It is "" if nothing has to be chosen.
func (c *reading) sharedPort(port policy.Port, to []netip.Addr) (chosen string) {
	fixed := port.Host != "" && !strings.Contains(port.Host, "-")
	if len(to) > 1 && !fixed && c.refusal == nil {
		chosen, c.refusal = c.world.freePort(port.Protocol, to, port.Host)
	}
	return chosen
}

// portBindings claims each binding of a container's ports.
func (c *reading) portBindings(bindings jsonedit.Value) {
	for key, list := range bindings.Members() {
		l := &portList{write: func(texts []string) { c.Replace(list, list.WithItems(texts)) }}
		port := portOf(key)
		// An empty list is one binding without an address for Engines from 25.
		// Podman shows one for a port of a container that is only exposed.
		if list.OrAbsent().Empty() {
			list.Items()
			if !inBody(list) && c.podman() {
				continue
			}
			l.entries = append(l.entries, portEntry{at: list, claims: []*claim{c.claim(port, list)}, on: newBinding})
		}
		for binding := range list.Items() {
			port.IP = hostIP(binding.Field("HostIp").Text())
			port.Host = hostPort(binding.Field("HostPort").Text())
			l.entries = append(l.entries, portEntry{at: binding, claims: []*claim{c.claim(port, binding)}, on: movedBinding})
		}
		if inBody(list) {
			c.publish(l)
		}
	}
}

// newBinding is the text of a new binding.
func newBinding(_ jsonedit.Value, ip, hostPort string) string {
	return `{"HostIp":` + jsonedit.Quote(ip) + `,"HostPort":` + jsonedit.Quote(hostPort) + `}`
}

// movedBinding is the text of a binding with another address.
func movedBinding(binding jsonedit.Value, ip, hostPort string) string {
	if binding.OrAbsent().Absent() {
		return newBinding(binding, ip, hostPort)
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
	has := map[policy.Port]bool{}
	for key := range bindings.Members() {
		has[portOf(key)] = true
	}
	var keys []string
	for _, ports := range exposed {
		for key := range ports.Members() {
			if port := portOf(key); !has[port] && port.Container != 0 {
				has[port] = true
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	l := &portList{all: true}
	for _, key := range keys {
		l.entries = append(l.entries, portEntry{text: newBinding(flag, "", ""), claims: []*claim{c.claim(portOf(key), flag)}, on: newBinding})
	}
	l.write = func(texts []string) {
		if len(keys) == 0 {
			c.note(flag, "false")
		}
		c.Replace(flag, "false")
		var members []string
		for i, key := range keys {
			members = append(members, jsonedit.Quote(key)+":["+texts[i]+"]")
		}
		switch all := strings.Join(members, ","); {
		case all == "":
		case bindings.OrAbsent().Absent():
			c.Set(host, "PortBindings", "{"+all+"}")
		default:
			c.Insert(bindings, all)
		}
	}
	if inBody(flag) {
		c.publish(l)
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
