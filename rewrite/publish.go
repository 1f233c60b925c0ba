package rewrite

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// unpublishedPorts are what becomes of ports that are not published. Docker
// keeps their bindings, and publishes them once the container has joined
// another network: the bindings are edited as the policy says.
func (c *reading) unpublishedPorts() (all []Outcome) {
	said := map[string]bool{}
	for _, cl := range c.claims {
		if cl.unpublished == "" {
			continue
		}
		o := cl.outcome()
		text := o.unpublished(cl.unpublished)
		if said[text] || strings.HasPrefix(c.path, "/libpod/") { // there Podman says so itself
			text = ""
		}
		said[text] = true
		o.Claim, o.Decision = policy.API{}, policy.Decision{Action: policy.Allow, Rule: o.Decision.Rule, Reason: text}
		all = append(all, o)
	}
	return all
}

// portList is the list of one port's bindings.
type portList struct {
	list    jsonedit.Value
	claims  []*claim        // one for each binding, or one for an empty list
	changes bool            // whether any of them is edited
	taken   map[string]bool // the host addresses with ports that are in the list already
}

// portBindings claims each binding of a container's ports.
func (c *reading) portBindings(bindings jsonedit.Value) {
	for key, list := range bindings.Members() {
		p := &portList{list: list}
		port := portOf(key)
		// An empty list is one binding without an address for Engines from 25.
		// Podman shows one for a port of a container that is only exposed.
		if list.OrAbsent().Empty() {
			list.Items()
			if list.Doc.Name != "" && c.podman() {
				continue
			}
			p.claims = append(p.claims, c.claim(port, list))
		}
		for binding := range list.Items() {
			port.IP = hostIP(binding.Field("HostIp").Text())
			port.Host = hostPort(binding.Field("HostPort").Text())
			p.claims = append(p.claims, c.claim(port, binding))
		}
		if list.Doc.Name != "" {
			continue
		}
		for _, cl := range p.claims {
			cl.edit = func(d policy.Decision) string { return p.bind(c, cl, d.To) }
		}
	}
}

// bind gives the bindings that take the place of one. One that the list has
// already is left out: the Engine would find its port in use.
func (p *portList) bind(c *reading, cl *claim, to []netip.Addr) string {
	if !p.changes {
		p.changes = true
		c.then = append(c.then, func() { p.edit(c) })
	}
	if several := len(p.claims)+len(to) > 2; several && p.taken == nil {
		p.taken = map[string]bool{}
		for _, sibling := range p.claims {
			if sibling.met(c.listen) {
				port := sibling.Claim.(policy.Port)
				p.take(port.IP, port.Host)
			}
		}
	}
	port := cl.Claim.(policy.Port)
	host := c.sharedPort(cl, to)
	var texts []string
	for _, ip := range to {
		if p.taken != nil && !p.take(ip.String(), host) {
			continue
		}
		if cl.at == p.list || cl.at.OrAbsent().Absent() {
			texts = append(texts, `{"HostIp":`+jsonedit.Quote(ip.String())+`,"HostPort":`+jsonedit.Quote(host)+`}`)
			continue
		}
		var inside jsonedit.Edits
		inside.Set(cl.at, "HostIp", jsonedit.Quote(ip.String()))
		if host != port.Host {
			inside.Set(cl.at, "HostPort", jsonedit.Quote(host))
		}
		texts = append(texts, inside.Made(cl.at))
	}
	return strings.Join(texts, ",")
}

// take tells whether an address with a port was not in the list yet.
func (p *portList) take(ip, host string) bool {
	if host == "" || strings.Contains(host, "-") {
		return true
	}
	at := ip + " " + host
	if p.taken[at] {
		return false
	}
	p.taken[at] = true
	return true
}

// edit puts the new bindings into the list.
func (p *portList) edit(c *reading) {
	var all []string
	dropped := false
	for _, cl := range p.claims {
		text := cl.after
		switch {
		case !cl.edited:
			text = cl.at.Raw()
		case cl.at != p.list && text != "":
			c.Replace(cl.at, text)
		case text == "":
			dropped = true
			continue
		case p.list.OrAbsent().Absent():
			c.Replace(p.list, "["+text+"]")
		default:
			c.Insert(p.list, text)
		}
		all = append(all, text)
	}
	if !dropped {
		return
	}
	n := p.list.Node()
	c.Edits = slices.DeleteFunc(c.Edits, func(e jsonedit.Edit) bool { return e.Start >= n.Start && e.End <= n.End })
	c.Replace(p.list, "["+strings.Join(all, ",")+"]")
}

// sharedPort is the host port of a port that is published on several
// addresses. They must all get the same one, so that one which only the Engine
// would choose is chosen here.
func (c *reading) sharedPort(cl *claim, to []netip.Addr) string {
	port := cl.Claim.(policy.Port)
	fixed := port.Host != "" && !strings.Contains(port.Host, "-")
	if len(to) < 2 || fixed {
		return port.Host
	}
	if c.refusal == nil {
		cl.hostPort, c.refusal = c.world.freePort(port.Protocol, to, port.Host)
	}
	return cl.hostPort
}

// publishAll claims the ports that PublishAllPorts publishes: those exposed by
// the call and by its image that have no bindings. They get bindings of their
// own, and the flag is cleared, so that an image that changes in between opens
// nothing.
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
	texts := map[string]string{}
	for _, key := range keys {
		port := portOf(key)
		cl := c.claim(port, flag)
		texts[key] = `{"HostIp":"","HostPort":""}`
		if flag.Doc.Name == "" {
			cl.edit = func(d policy.Decision) string {
				shared := c.sharedPort(cl, d.To)
				var all []string
				for _, ip := range d.To {
					all = append(all, `{"HostIp":`+jsonedit.Quote(ip.String())+`,"HostPort":`+jsonedit.Quote(shared)+`}`)
				}
				texts[key] = strings.Join(all, ",")
				return texts[key]
			}
		}
	}
	if flag.Doc.Name != "" {
		return
	}
	c.then = append(c.then, func() {
		if len(keys) == 0 {
			c.note(flag, "false")
		}
		c.Replace(flag, "false")
		var members []string
		for _, key := range keys {
			members = append(members, jsonedit.Quote(key)+":["+texts[key]+"]")
		}
		switch all := strings.Join(members, ","); {
		case all == "":
		case bindings.OrAbsent().Absent():
			c.Set(host, "PortBindings", "{"+all+"}")
		default:
			c.Insert(bindings, all)
		}
	})
}

// imagePorts are the ports that an image exposes, absent if there is no such
// image: the Engine refuses the call then.
func (c *reading) imagePorts(image string) jsonedit.Value {
	if image == "" {
		return jsonedit.Value{}
	}
	return c.engine(anImage, image, Platform(c.query("platform"))).Field("Config").Field("ExposedPorts")
}

// desktopLabels claims the ports of labels with which Docker Desktop publishes
// ports, as in desktop.docker.io/ports/80/tcp=127.0.0.1:8080.
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
		// A label has a place for one address.
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
