package rewrite

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-connections/nat"
	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// portOf reads a key of PortBindings or ExposedPorts as Engines do: "80",
// "80/" and "0080/TCP" are 80/tcp. A number that is none is 0.
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

// hostPort is a host port in its shortest spelling: a number, a range, or ""
// for any free one. Engines cut it at a slash.
func hostPort(text string) string {
	text, _, _ = strings.Cut(text, "/")
	low, high, isRange := strings.Cut(text, "-")
	low, high = strings.TrimLeft(low, "0"), strings.TrimLeft(high, "0")
	if !isRange || low == high {
		return low
	}
	return low + "-" + high
}

// hostPorts are the first and the last number of a host port in its shortest
// spelling, 0 if any port will do.
func hostPorts(host string) (first, last int, err error) {
	if host == "" {
		return 0, 0, nil
	}
	low, high, isRange := strings.Cut(host, "-")
	if first, err = strconv.Atoi(low); err != nil || !isRange {
		return first, first, err
	}
	last, err = strconv.Atoi(high)
	return first, last, err
}

// hostIP is a host address in its shortest spelling, and "" for what Engines
// before 29 do not take for one: they publish on every interface then.
func hostIP(text string) string {
	if text == "" {
		return "" // without an error, which costs more
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return ""
	}
	return addr.Unmap().String()
}

// The networks that publish no port: the host's own, and none. Engines give
// them these drivers (moby: daemon/network).
var portless = map[string]string{"host": "host", "none": "null"}

// portlessNetwork is the one network of a container if that publishes no port,
// and "" if there is none or another one.
func (c *call) portlessNetwork(networks jsonedit.Value) string {
	only := ""
	for name, endpoint := range networks.Members() {
		driver, found := portless[name]
		// A NetworkID counts for more than the name.
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

// portlessMode is the mode of a container that is made with these networks if
// it publishes no port: host, none or container. It is "" if it might.
func (c *call) portlessMode(mode string, networks jsonedit.Value) string {
	if strings.HasPrefix(mode, "container:") {
		return "container" // Docker refuses to publish a port then, Podman forgets it
	}
	if portless[mode] != "" && (networks.OrAbsent().Empty() || c.portlessNetwork(networks) == mode) {
		return mode
	}
	return ""
}

// unpublishedPorts are what becomes of ports that are not published. Docker
// keeps their bindings, and publishes them once the container has joined
// another network: the bindings are edited as the policy says.
func (c *call) unpublishedPorts() (all []Outcome) {
	said := map[string]bool{}
	for _, cl := range c.claims {
		if cl.unpublished == "" {
			continue
		}
		o := cl.outcome()
		text := o.unpublished(cl.unpublished)
		if said[text] || strings.HasPrefix(c.Path, "/libpod/") { // there Podman says so itself
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
func (c *call) portBindings(bindings jsonedit.Value) {
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
func (p *portList) bind(c *call, cl *claim, to []netip.Addr) string {
	if !p.changes {
		p.changes = true
		c.then = append(c.then, func() { p.edit(c) })
	}
	if several := len(p.claims)+len(to) > 2; several && p.taken == nil {
		p.taken = map[string]bool{}
		for _, sibling := range p.claims {
			if c.met(sibling) {
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
func (p *portList) edit(c *call) {
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
func (c *call) sharedPort(cl *claim, to []netip.Addr) string {
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
func (c *call) publishAll(host jsonedit.Value, exposed ...jsonedit.Value) {
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
func (c *call) imagePorts(image string) jsonedit.Value {
	if image == "" {
		return jsonedit.Value{}
	}
	return c.engine(anImage, image, Platform(c.query("platform"))).Field("Config").Field("ExposedPorts")
}

// desktopLabels claims the ports of labels with which Docker Desktop publishes
// ports, as in desktop.docker.io/ports/80/tcp=127.0.0.1:8080.
func (c *call) desktopLabels(labels jsonedit.Value) {
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
