package rewrite

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// claim is a policy.Claim with the place that makes it and the decision about it.
// A claim in a portList can stand for a run: one port that is claimed again and
// again, or ports with consecutive numbers.
type claim struct {
	policy.Claim                // the first of a run
	at           jsonedit.Value // the value that makes the claim, in the body or in an answer of the Engine
	parameter    string         // the query parameter that makes the claim, if one does
	text         string         // the JSON text that makes the claim, if it is not the value's

	list  *portList // that has the port, nil for other claims
	items []int32   // the list's item for each port of the run
	step  int       // from one container port of the run to the next: 0 or 1

	// A decision to bind or replace is carried out by edit, which returns the
	// JSON text that is sent instead, or by the portList. A claim with neither
	// refuses the call.
	edit         func(policy.Decision) string
	advice       string    // for a claim that cannot be edited: what the user can do
	created      time.Time // for a claim of an existing object: when that was created, zero if that is not known
	portlessMode string    // the network mode that keeps the port from being published, "" if it is published

	decision  policy.Decision
	advisedIP string // an address that the client could name and the policy accepts, "" if there is none
	edited    bool
	after     string // the JSON text that is sent instead, if the claim was edited
	hostPort  string // the host port that was chosen for several addresses
}

// outcome is the claim as callers of Apply see it.
func (cl *claim) outcome() Outcome {
	o := Outcome{Claim: cl.whole(), Count: max(len(cl.items), 1), Decision: cl.decision, Before: cl.before(), After: cl.before(), HostPort: cl.hostPort}
	o.Wider = cl.decision.Action == policy.Bind && cl.advisedIP != ""
	switch {
	case cl.parameter != "":
		o.Pointer = "?" + cl.parameter
	case inBody(cl.at):
		o.Pointer = cl.at.Pointer()
	}
	if cl.edited {
		o.After = cl.after
	}
	return o
}

// editable reports whether a decision that changes the claim can be carried out.
func (cl *claim) editable() bool { return cl.edit != nil || cl.list != nil && cl.list.write != nil }

// inBody reports whether a value is part of the call's body, and not of an
// answer of the Engine.
func inBody(v jsonedit.Value) bool { return !v.Absent() && v.Document().Name == "" }

// before is the JSON text that makes the claim. It is "" for a whole document,
// most of which is about something else and can be secret.
func (cl *claim) before() string {
	if cl.text != "" || cl.at.IsRoot() {
		return cl.text
	}
	return cl.at.Raw()
}

// met reports whether a claim needs no change.
func (cl *claim) met(listen string) bool { return met(cl.Claim, cl.decision, listen) }

// met reports whether a claim needs no change after a decision. A mount that a
// rule replaces needs none if its source is safesock's own socket, listen.
func met(claimed policy.Claim, decision policy.Decision, listen string) bool {
	switch decision.Action {
	case policy.Allow, policy.Warn:
		return true
	case policy.Bind, policy.Deny: // Deny has addresses for a port that is not published
		port, ok := claimed.(policy.Port)
		return ok && isOneOf(port.IP, decision.To)
	case policy.Replace:
		mount, ok := claimed.(policy.Mount)
		return ok && mount.Source == listen
	}
	return false
}

// isOneOf reports whether an address, in its shortest spelling, is in a list.
func isOneOf(ip string, addrs []netip.Addr) bool {
	if ip == "" {
		return false
	}
	addr, err := netip.ParseAddr(ip)
	return err == nil && slices.Contains(addrs, addr)
}

// portList is a list of published ports. A list in a call's body is rewritten as
// far as decisions change its items.
type portList struct {
	items  []portItem
	texts  []string         // each item's text after the decisions, if a decision changes the item
	chosen map[int32]string // host ports that were chosen for items on several addresses
	// write writes the items that decisions change. It is nil if the list cannot
	// be edited.
	write func()

	open map[policy.Port]*claim // the last run of ports that have this in common
}

// portItem publishes a port, or several ports that share one host address.
type portItem struct {
	at    jsonedit.Value // what makes the claims
	claim *claim         // of a port, one that is not met if there is one
	unmet bool           // a decision changes the item
	mixed bool           // its ports go to different addresses
	loose bool           // several ports, whose host ports the Engine chooses
}

// continues reports whether a port is the next of a claim's run. The second port
// decides on the step.
func (cl *claim) continues(port policy.Port) bool {
	if len(cl.items) == 1 {
		cl.step = port.Container - cl.Claim.(policy.Port).Container
	}
	return (cl.step == 0 || cl.step == 1 && cl.counts()) && cl.port(len(cl.items)) == port
}

// counts reports whether the claim can begin a run of consecutive ports: the
// container port is known, and the host port is a number or any free port.
func (cl *claim) counts() bool {
	port := cl.Claim.(policy.Port)
	_, err := strconv.ParseUint(port.Host, 10, 16)
	return port.Container != 0 && (port.Host == "" || err == nil)
}

// port is the port of a run with an index.
func (cl *claim) port(i int) policy.Port {
	port := cl.Claim.(policy.Port)
	if i *= cl.step; i == 0 {
		return port
	}
	port.Container += i
	if first, err := strconv.Atoi(port.Host); err == nil {
		port.Host = strconv.Itoa(first + i)
	}
	return port
}

// whole is the claim with all ports of its run.
func (cl *claim) whole() policy.Claim {
	if cl.step == 0 || len(cl.items) < 2 {
		return cl.Claim
	}
	port, last := cl.port(0), cl.port(len(cl.items)-1)
	port.Last = last.Container
	if port.Host != "" {
		port.Host += "-" + last.Host
	}
	return port
}

// split cuts a run before the port with an index, and returns the rest.
func (cl *claim) split(i int) *claim {
	rest := *cl
	rest.Claim, rest.items = cl.port(i), cl.items[i:]
	rest.at = cl.list.items[rest.items[0]].at
	cl.items = cl.items[:i:i]
	return &rest
}
