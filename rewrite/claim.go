package rewrite

import (
	"net/netip"
	"slices"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// claim is a policy.Claim with the place that makes it and the decision about it.
type claim struct {
	policy.Claim
	at        jsonedit.Value // the value that makes the claim, in the body or in an answer of the Engine
	parameter string         // the query parameter that makes the claim, if one does
	field     string         // the path of the field of a gRPC message that makes the claim, if one does
	text      string         // the JSON text that makes the claim, if it is not the value's

	// A decision to bind or replace is carried out by edit, which returns the
	// JSON text that is sent instead, or by the portList that has the claim. A
	// claim with neither refuses the call.
	edit         func(policy.Decision) string
	listed       bool   // a portList has the claim
	advice       string // for a claim that cannot be edited: what the user can do
	portlessMode string // the network mode that keeps the port from being published, "" if it is published

	decision  policy.Decision
	advisedIP string // an address that the client could name and the policy accepts, "" if there is none
	edited    bool
	after     string // the JSON text that is sent instead, if the claim was edited
	hostPort  string // the host port that was chosen for several addresses
}

// outcome is the claim as callers of Apply see it.
func (cl *claim) outcome() Outcome {
	o := Outcome{Claim: cl.Claim, Decision: cl.decision, Before: cl.before(), After: cl.before(), HostPort: cl.hostPort}
	o.Wider = cl.decision.Action == policy.Bind && cl.advisedIP != ""
	switch {
	case cl.parameter != "":
		o.Pointer = "?" + cl.parameter
	case cl.field != "":
		o.Pointer = cl.field
	case inBody(cl.at):
		o.Pointer = cl.at.Pointer()
	}
	if cl.edited {
		o.After = cl.after
	}
	return o
}

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

// met reports whether a claim needs no change. A mount that a rule replaces needs
// none if its source is safesock's own socket, listen.
func (cl *claim) met(listen string) bool {
	switch cl.decision.Action {
	case policy.Allow, policy.Warn:
		return true
	case policy.Bind, policy.Deny: // Deny has addresses for a port that is not published
		port, ok := cl.Claim.(policy.Port)
		return ok && isOneOf(port.IP, cl.decision.To)
	case policy.Replace:
		mount, ok := cl.Claim.(policy.Mount)
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

// portList is a list of published ports in a call's body. It is rewritten as a
// whole if a decision changes any of its entries.
type portList struct {
	entries []portEntry
	all     bool // the call publishes ports that it does not list: the entries include them, and the list is always written
	// write replaces the list's items by texts, one for each entry. An empty
	// text leaves an entry out.
	write func(texts []string)
}

// portEntry publishes a port, or several ports that share one host address.
type portEntry struct {
	at     jsonedit.Value // the list's item; absent if the entry is new
	text   string         // of a new entry that no decision changes
	claims []*claim
	loose  bool // several ports, whose host ports the Engine chooses
	// on returns the item's text with a host address. A host port that is not
	// empty replaces the item's own.
	on func(at jsonedit.Value, ip, hostPort string) string
}
