package policy

import (
	"net/netip"
	"strconv"
)

// Action is what a rule does about a claim.
type Action int

// The actions. Bind is for ports, and Replace for mounts and privileges.
const (
	Deny    Action = iota // the zero Action refuses
	Allow                 // leave it as it came
	Warn                  // leave it as it came, and tell
	Bind                  // publish the port on other addresses
	Replace               // use another thing instead: another socket, the Engine's own frontend
)

func (a Action) String() string {
	return [...]string{"deny", "allow", "warn", "bind", "replace"}[a]
}

// parseAction finds an action by its name.
func parseAction(name string) (action Action, ok bool) {
	for a := Deny; a <= Replace; a++ {
		if a.String() == name {
			return a, true
		}
	}
	return Deny, false
}

// Rule names a rule and its place in a policy file.
type Rule struct {
	Kind Kind
	Name string
	File string // as given to Parse
	Line int    // of the block's first line, from 1
}

// String is how logs and messages name a rule: port "no wildcard", policy.hcl:12.
func (r Rule) String() string {
	if r == (Rule{}) {
		return "no rule"
	}
	return string(r.Kind) + " " + strconv.Quote(r.Name) + ", " + r.File + ":" + strconv.Itoa(r.Line)
}

// Decision is what the policy says about one claim. The zero Decision denies.
type Decision struct {
	Action  Action
	To      []netip.Addr // for Bind, one or more addresses, each in its shortest form
	With    string       // for Replace, the path of the socket to mount; "" for safesock's own
	Rule    Rule         // the rule that decided; zero if none did
	Message string       // the rule's message, for the client; "" if it has none
	Reason  string       // anything else that the client should know: an expression that failed, an address that was left out
}
