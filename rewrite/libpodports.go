package rewrite

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// maxRange is the largest number of ports in one mapping.
const maxRange = 4096

// libpodPorts claims the port mappings of a container or pod, and the ports that
// publish_image_ports publishes. The latter get explicit mappings, and the flag is
// cleared.
func (c *reading) libpodPorts(spec jsonedit.Value) {
	mappings, flag := spec.Member("portmappings"), spec.Field("publish_image_ports")
	l := &portList{all: flag.Flag()}
	has := map[policy.Port]bool{}
	for m := range mappings.Items() {
		e := portEntry{at: m}
		if !m.OrAbsent().Absent() { // Podman refuses null
			e = c.libpodMapping(m, has)
		}
		l.entries = append(l.entries, e)
	}
	listed := len(l.entries)
	if l.all {
		for _, port := range c.libpodExposed(spec, has) {
			l.entries = append(l.entries, portEntry{
				text:   fmt.Sprintf(`{"container_port":%d,"protocol":%q}`, port.Container, port.Protocol),
				claims: []*claim{c.claim(port, flag)},
				on: func(_ jsonedit.Value, ip, hostPort string) string {
					if hostPort != "" {
						hostPort = `,"host_port":` + hostPort
					}
					return fmt.Sprintf(`{"container_port":%d,"protocol":%q,"host_ip":%q%s}`, port.Container, port.Protocol, ip, hostPort)
				},
			})
		}
	}
	l.write = func(texts []string) {
		if l.all {
			c.note(flag, "false")
			c.Replace(flag, "false")
		}
		all := mappings.WithItems(texts[:listed], texts[listed:]...)
		switch {
		case !mappings.OrAbsent().Absent():
			c.Replace(mappings, all)
		case len(texts) > 0:
			c.Set(spec, "portmappings", all)
		}
	}
	c.publish(l)
}

// libpodMapping claims the ports of one mapping: a range of ports on one address,
// for one or more protocols, as in "tcp,udp". It adds the ports to has.
func (c *reading) libpodMapping(m jsonedit.Value, has map[policy.Port]bool) portEntry {
	first, count := m.Field("host_port").Number(), max(m.Field("range").Number(), 1)
	e := portEntry{at: m, loose: first == 0 && count > 1, on: movedMapping}
	if count > maxRange {
		c.refuse(http.StatusBadRequest, "%s/range: more than %d ports", m.Pointer(), maxRange)
		return e
	}
	for protocol := range strings.SplitSeq(strings.ToLower(m.Field("protocol").Text()), ",") {
		for i := range count {
			port := policy.Port{Container: int(m.Field("container_port").Number() + i), Protocol: cmp.Or(protocol, "tcp"), Bindable: true}
			has[port] = true
			port.IP = hostIP(m.Field("host_ip").Text())
			if first != 0 {
				port.Host = strconv.FormatInt(first+i, 10)
			}
			e.claims = append(e.claims, c.claim(port, m))
		}
	}
	return e
}

// movedMapping is the text of a mapping with another address.
func movedMapping(m jsonedit.Value, ip, hostPort string) string {
	var inside jsonedit.Edits
	inside.Set(m, "host_ip", jsonedit.Quote(ip))
	if hostPort != "" {
		inside.Set(m, "host_port", hostPort)
	}
	return inside.Inside(m)
}

// libpodExposed are the ports that the image or the call exposes, except those
// in has.
func (c *reading) libpodExposed(spec jsonedit.Value, has map[policy.Port]bool) (ports []policy.Port) {
	add := func(key string) {
		if port := portOf(key); !has[port] && port.Container != 0 {
			has[port] = true
			ports = append(ports, port)
		}
	}
	for key := range c.imagePorts(spec.Field("image").Text()).Members() {
		add(key)
	}
	for number, protocols := range spec.Field("expose").Members() {
		for _, protocol := range strings.Split(protocols.Text(), ",") {
			add(number + "/" + protocol)
		}
	}
	slices.SortFunc(ports, func(a, b policy.Port) int { return strings.Compare(a.Subject(), b.Subject()) })
	return ports
}
