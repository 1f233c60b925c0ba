package rewrite

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// libpodPorts claims the port mappings of a container or pod, and the ports that
// publish_image_ports publishes. The latter get explicit mappings, and the flag is
// cleared.
func (c *reading) libpodPorts(spec jsonedit.Value) {
	mappings, flag := spec.Member("portmappings"), spec.Field("publish_image_ports")
	l := c.newList()
	for m := range mappings.Items() {
		item := l.item(m)
		item.loose = m.IsObject() && m.Field("host_port").Number() == 0 && m.Field("range").Number() > 1
		c.mappingPorts(m, func(port policy.Port) { c.claimPort(l, port) })
	}
	listed, exposed := len(l.items), []policy.Port(nil)
	if flag.Flag() {
		exposed = c.libpodExposed(spec, l.items)
	}
	for _, port := range exposed {
		l.item(flag)
		c.claimPort(l, port)
	}
	l.write = func() {
		if !flag.Flag() && !l.unmet(0, listed) {
			return
		}
		c.move(l, 0, len(l.items), func(i int, each func(policy.Port)) {
			if i < listed {
				c.mappingRanges(l.items[i].at, func(port policy.Port, count int64) {
					port.Last = port.Container + int(count) - 1
					each(port)
				})
			} else {
				each(exposed[i-listed])
			}
		}, func(i int, ip, hostPort string) string {
			if i < listed {
				return movedMapping(l.items[i].at, ip, hostPort)
			}
			return newMapping(exposed[i-listed], ip, hostPort)
		})
		if flag.Flag() {
			c.note(flag, "false")
			c.Replace(flag, "false")
		}
		all := mappings.WithItems(l.texts[:listed], l.texts[listed:]...)
		switch {
		case !mappings.OrAbsent().Absent():
			c.Replace(mappings, all)
		case len(l.texts) > 0:
			c.Set(spec, "portmappings", all)
		}
	}
}

// mappingRanges calls each for the ranges of ports of one mapping, with the first
// port and the number of ports: one for each protocol, as in "tcp,udp". Podman
// refuses null.
func (c *reading) mappingRanges(m jsonedit.Value, each func(first policy.Port, count int64)) {
	if m.OrAbsent().Absent() {
		return
	}
	first := policy.Port{Container: int(m.Field("container_port").Number()), IP: hostIP(m.Field("host_ip").Text()), Bindable: true}
	if host := m.Field("host_port").Number(); host != 0 {
		first.Host = strconv.FormatInt(host, 10)
	}
	count := max(m.Field("range").Number(), 1)
	for protocol := range strings.SplitSeq(strings.ToLower(m.Field("protocol").Text()), ",") {
		first.Protocol = cmp.Or(protocol, "tcp")
		each(first, count)
	}
}

// mappingPorts calls each for every port of one mapping.
func (c *reading) mappingPorts(m jsonedit.Value, each func(policy.Port)) {
	c.mappingRanges(m, func(first policy.Port, count int64) {
		host := m.Field("host_port").Number()
		for i := int64(0); i < count && c.refusal == nil; i++ {
			port := first
			port.Container += int(i)
			if first.Host != "" {
				port.Host = strconv.FormatInt(host+i, 10)
			}
			each(port)
		}
	})
}

// newMapping is the text of a new mapping.
func newMapping(port policy.Port, ip, hostPort string) string {
	text := fmt.Sprintf(`{"container_port":%d,"protocol":%q`, port.Container, port.Protocol)
	if ip != "" {
		text += `,"host_ip":` + jsonedit.Quote(ip)
	}
	if hostPort != "" {
		text += `,"host_port":` + hostPort
	}
	return text + "}"
}

// movedMapping is the text of a mapping with another address, or its own if ip is
// "".
func movedMapping(m jsonedit.Value, ip, hostPort string) string {
	if ip == "" {
		return m.Raw()
	}
	var inside jsonedit.Edits
	inside.Set(m, "host_ip", jsonedit.Quote(ip))
	if hostPort != "" {
		inside.Set(m, "host_port", hostPort)
	}
	return inside.Inside(m)
}

// libpodExposed are the ports that the image or the call exposes, except those
// that some mappings publish.
func (c *reading) libpodExposed(spec jsonedit.Value, mappings []portItem) (ports []policy.Port) {
	has := map[containerPort]bool{}
	for _, item := range mappings {
		c.mappingPorts(item.at, func(port policy.Port) { has[containerPort{port.Container, port.Protocol}] = true })
	}
	add := func(key string) {
		port := portOf(key)
		if at := (containerPort{port.Container, port.Protocol}); !has[at] && port.Container != 0 && len(ports) <= maxPorts {
			has[at] = true
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
	slices.SortFunc(ports, comparePorts)
	return ports
}
