package policy

import (
	"net/netip"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// File is one policy file.
type File struct {
	Name string // for messages, as in "policy.hcl"
	Src  []byte

	// MayBeEmpty is true of what is no file of its own, such as /dev/null. Any
	// other one that has no rule and no setting was cut short, or has lost its
	// rules, and is a mistake.
	MayBeEmpty bool

	// Local is the name of a local that the other files define, if Src is not
	// a file but another value for this local. If the value begins with a
	// quote, [ or {, then it is an HCL expression. Otherwise true, false and
	// numbers are what they look like, unless the file has a text in quotes
	// there, and anything else is a text.
	Local string

	// Builtin marks the policy that comes with safesock: it is left out if
	// another file sets inherit = false.
	Builtin bool
}

// Policy is a list of rules, ready to decide. It never changes, and may be
// used by many goroutines at once.
type Policy struct {
	observe  bool
	known    bool // an expression looks at call.known
	rules    map[Kind][]*rule
	locals   map[string]*local
	files    []*source
	warnings hcl.Diagnostics
}

// rule is a block of a policy file.
type rule struct {
	Rule
	when    *value            // nil if the rule always holds
	test    func(*scope) bool // when, compiled; nil if HCL has to evaluate it
	action  Action
	common  bool         // when looks at no claim
	to      *value       // for Bind
	addrs   []netip.Addr // to, if it is known
	message *value       // nil if it has none
	expires *time.Time   // nil for a rule that does not expire

	src    *source
	broken bool // its condition has a mistake
	block  *hclsyntax.Block
}

// value is an expression that is known since the policy was loaded, or has
// to be evaluated for each claim.
type value struct {
	expr  hclsyntax.Expression
	known cty.Value // cty.NilVal if it has to be evaluated

	objects  []Object // the objects that it refers to, each with the attributes that it refers to
	locals   []string // the locals that it refers to
	asksHost bool     // it calls interface
}

// local is one name of a locals block.
type local struct {
	value
	checked cty.Value // what is known of it before a call
}

// Parse reads policies. Rules of an earlier file are tried before those of a
// later one; callers put the built-in policy last. All files share their
// locals. A later file's local replaces an earlier file's local of the same
// name, and any file's local replaces the built-in policy's. The error is a *Diagnostics with every mistake that was found. Parse
// panics if a list of names is empty.
func Parse(names Names, files ...File) (*Policy, error) {
	if len(names.Endpoints) == 0 || len(names.Modes) == 0 || len(names.Privileges) == 0 {
		panic("policy: Parse without names")
	}
	l := newLoader(names, files)
	p := l.load()
	if l.diags.HasErrors() {
		return nil, report(l.files, l.diags)
	}
	return p, nil
}

// Observe reports whether the policy only reports.
func (p *Policy) Observe() bool { return p.observe }

// LooksAtKnown reports whether a decision can depend on Call.Known, which for
// some calls is known only if the Engine is asked.
func (p *Policy) LooksAtKnown() bool { return p.known }

// Filters reports whether an api rule may do anything but allow. If not, calls
// that are not intercepted need not be decided.
func (p *Policy) Filters() bool {
	rules := p.rules[KindAPI]
	if len(rules) == 0 {
		return true // no rule decides: every call is denied
	}
	first := rules[0]
	return first.action != Allow || first.when != nil || first.expires != nil
}

// Rules gives every rule in the order in which they are tried, kind by kind.
func (p *Policy) Rules() []Rule {
	var rules []Rule
	for _, kind := range Schema.Kinds {
		for _, r := range p.rules[kind.Kind] {
			rules = append(rules, r.Rule)
		}
	}
	return rules
}

// Warnings tells what is odd about the policy and no mistake: rules that
// have expired at a time, or that hardly do what their author meant.
func (p *Policy) Warnings(at time.Time) *Diagnostics {
	diags := p.warnings
	for _, kind := range Schema.Kinds {
		for _, r := range p.rules[kind.Kind] {
			if r.expired(at) {
				attr := r.block.Body.Attributes["expires"]
				diags = append(diags[:len(diags):len(diags)], &hcl.Diagnostic{
					Severity: hcl.DiagWarning,
					Summary:  "Expired rule",
					Detail:   "This rule is skipped. Remove it, or let it expire later.",
					Subject:  attr.Expr.Range().Ptr(),
				})
			}
		}
	}
	return report(p.files, diags)
}

// expired reports whether a rule is to be skipped at a time.
func (r *rule) expired(at time.Time) bool {
	return r.expires != nil && !at.Before(*r.expires)
}
