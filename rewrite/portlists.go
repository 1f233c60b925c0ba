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

// newList begins a list of published ports.
func (c *reading) newList() *portList {
	l := &portList{open: map[policy.Port]*claim{}}
	c.lists = append(c.lists, l)
	return l
}

// item adds an item that a value makes.
func (l *portList) item(at jsonedit.Value) *portItem {
	l.items = append(l.items, portItem{at: at})
	return &l.items[len(l.items)-1]
}

// claimPort claims a port of a list's last item. The port continues a run if it
// can.
func (c *reading) claimPort(l *portList, port policy.Port) {
	item := int32(len(l.items) - 1)
	at := l.items[item].at
	if c.published++; c.published > maxPorts {
		c.refuse(http.StatusRequestEntityTooLarge, "%s: the call publishes more than %d ports; publish fewer, or share them among several containers", at.Pointer(), maxPorts)
		return
	}
	common := policy.Port{Protocol: port.Protocol, IP: port.IP, Bindable: port.Bindable}
	if cl := l.open[common]; cl != nil && cl.continues(port) {
		cl.items = append(cl.items, item)
		return
	}
	cl := c.claim(port, at)
	cl.list, cl.items = l, []int32{item}
	l.open[common] = cl
}

// writeLists writes what the decisions change in lists.
func (c *reading) writeLists() {
	for _, cl := range c.claims {
		unmet := !met(cl.Claim, cl.decision, "")
		for _, i := range cl.items {
			item := &cl.list.items[i]
			item.mixed = item.mixed || item.claim != nil && !slices.Equal(item.claim.decision.To, cl.decision.To)
			if item.claim == nil || unmet && !item.unmet {
				item.claim, item.unmet = cl, unmet
			}
		}
	}
	for _, l := range c.lists {
		if l.write != nil && c.refusal == nil {
			l.texts = make([]string, len(l.items))
			l.write()
		}
	}
	for _, cl := range c.claims {
		if cl.list != nil && cl.list.items[cl.items[0]].unmet && c.refusal == nil {
			cl.edited, cl.after, cl.hostPort = true, cl.list.texts[cl.items[0]], cl.list.chosen[cl.items[0]]
		}
	}
}

// unmet reports whether a decision changes one of some items.
func (l *portList) unmet(first, count int) bool {
	return slices.ContainsFunc(l.items[first:first+count], func(item portItem) bool { return item.unmet })
}

// move makes the texts of count items that share one list in the body. It calls
// ports for each port of an item, where a range counts as one port. It calls on for
// an item's text with a host address and, unless that is "", another host port. For
// the address "", on returns the item's own text.
//
// An address that the items publish a port on already is left out: the Engine
// would find the port in use.
func (c *reading) move(l *portList, first, count int, ports func(i int, each func(policy.Port)), on func(i int, ip, hostPort string) string) {
	var kept map[policy.Port]bool // what stays published, each with a host address and port
	if count > 1 {
		kept = map[policy.Port]bool{}
	}
	for i := first; i < first+count; i++ {
		if !l.items[i].unmet {
			ports(i, func(port policy.Port) { keep(kept, port) })
			l.texts[i] = on(i, "", "")
		}
	}
	var ip, hostPort string
	var isNew bool
	add := func(port policy.Port) {
		port.IP, port.Host = ip, cmp.Or(hostPort, port.Host)
		isNew = keep(kept, port) || isNew
	}
	for i := first; i < first+count && c.refusal == nil; i++ {
		item := &l.items[i]
		if !item.unmet {
			continue
		}
		to := item.claim.decision.To
		switch {
		case item.mixed:
			c.refuse(http.StatusBadRequest, "%s: its ports go to different addresses; give each a mapping of its own", item.at.Pointer())
			return
		case item.loose && len(to) > 1:
			c.refuse(http.StatusBadRequest, "%s: a range without host ports can go to one address only; name the host ports", item.at.Pointer())
			return
		}
		hostPort = c.sharedPort(item.claim.Claim.(policy.Port), to)
		if hostPort != "" {
			if l.chosen == nil {
				l.chosen = map[int32]string{}
			}
			l.chosen[int32(i)] = hostPort
		}
		for _, addr := range to {
			ip, isNew = addr.String(), false
			ports(i, add)
			if isNew && l.texts[i] != "" {
				l.texts[i] += ","
			}
			if isNew {
				l.texts[i] += on(i, ip, hostPort)
			}
		}
	}
}

// keep adds a port on a host address to those that are kept, and reports whether
// it is new. A host port that the Engine chooses is always new, and so is every
// port if kept is nil.
func keep(kept map[policy.Port]bool, port policy.Port) bool {
	if kept == nil || isChosen(port.Host) {
		return true
	}
	isNew := !kept[port]
	kept[port] = true
	return isNew
}

// isChosen reports whether the Engine chooses a host port, freely or from a range.
func isChosen(host string) bool { return host == "" || strings.Contains(host, "-") }

// sharedPort chooses the host port of a port that is published on several
// addresses and names no single host port. It is "" if nothing has to be chosen.
func (c *reading) sharedPort(port policy.Port, to []netip.Addr) (chosen string) {
	if c.needsSharedPort(port, to) && c.refusal == nil {
		chosen, c.refusal = c.world.freePort(port.Protocol, to, port.Host)
	}
	return chosen
}

// sharingEngine is the first API version with which Docker chooses the same host
// port for all addresses of a container's port (moby: portmapper, bindHostPorts).
// Before, and with Podman, each address can get another one.
const sharingEngine = "1.46"

// needsSharedPort reports whether a port is published on several addresses, names
// no single host port, and would get another one for each address.
func (c *reading) needsSharedPort(port policy.Port, to []netip.Addr) bool {
	if len(to) < 2 || !isChosen(port.Host) {
		return false
	}
	return c.podman() || olderThan(c.engine(engineVersion, "").Field("ApiVersion").Text(), sharingEngine)
}
