package rewrite

import (
	"net/netip"
	"slices"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// claim is a policy.Claim, where it was made, and what came of it.
type claim struct {
	policy.Claim
	at        jsonedit.Value // what makes the claim, in the body or an answer
	parameter string         // of the query, if that makes the claim
	text      string         // the JSON text that makes the claim, if it is not at's

	// A decision to bind or replace comes true by edit, which gives the JSON
	// text that is sent instead, or is written with the list that the claim
	// stands in. Where there is neither, it refuses the call.
	edit        func(policy.Decision) string
	listed      bool
	held        string // how the claim can be changed, where it cannot be edited
	unpublished string // the network mode with which the port is not published, "" if it is

	decision policy.Decision
	named    string // an address that the client could name instead
	edited   bool
	after    string // what is sent instead, if it was edited
	hostPort string // the one that was chosen for several addresses
}

// outcome is what came of a claim, for others to see.
func (cl *claim) outcome() Outcome {
	o := Outcome{Claim: cl.Claim, Decision: cl.decision, Before: cl.before(), After: cl.before(), HostPort: cl.hostPort}
	o.Wider = cl.decision.Action == policy.Bind && cl.named != ""
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

// inBody reports whether a value was sent in the call's body, and not answered
// by the Engine.
func inBody(v jsonedit.Value) bool { return !v.Absent() && v.Document().Name == "" }

// before is the JSON text that makes the claim. A whole document is not shown:
// it says much else, and what it says can be secret.
func (cl *claim) before() string {
	if cl.text != "" || cl.at.IsRoot() {
		return cl.text
	}
	return cl.at.Raw()
}

// met reports whether a claim already is what the policy wants. A mount that is
// to be replaced is met if its source is safesock's own socket, listen.
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

// portList is a list of published ports that a call sends, whatever its name.
// All that decisions change in it is written at once.
type portList struct {
	entries []portEntry
	all     bool // the call asks for more ports than it lists: entries have them, and the list is always written
	// write puts texts, one for each entry, in the place of the list's items.
	// An empty text leaves an entry out.
	write func(texts []string)
}

// portEntry publishes a port, or several ports that share one host address.
type portEntry struct {
	at     jsonedit.Value // in the list; absent if the list does not have the entry yet
	text   string         // of an entry that the list does not have yet, as no decision changes it
	claims []*claim
	loose  bool // several ports of which the host's are chosen by the Engine
	// on gives the text of the entry at a place for a host address. A host port
	// that is not empty takes the place of the entry's own.
	on func(at jsonedit.Value, ip, hostPort string) string
}
