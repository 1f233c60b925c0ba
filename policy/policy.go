package policy

import (
	"net/netip"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Policy is a list of rules, ready to decide. It never changes, and may be
// used by many goroutines at once.
type Policy struct {
	observe  bool
	rules    map[Kind][]*rule
	locals   locals
	files    []*source
	warnings hcl.Diagnostics

	looksAtKnown bool
}

// rule is a block of a policy file.
type rule struct {
	Rule
	when    *expression       // nil if the rule always holds
	test    func(*scope) bool // when, compiled; nil if HCL has to evaluate it
	action  Action
	to      *expression  // for Bind
	addrs   []netip.Addr // to, if it is constant
	with    string       // for Replace: the socket to mount, "" for safesock's own
	message *expression  // nil if there is none
	expires *time.Time   // nil for a rule that does not expire

	sameForCall bool // when looks at no claim: it holds for all claims of a call or for none

	src   *source
	block *hclsyntax.Block
}

// Observe reports whether the policy only reports.
func (p *Policy) Observe() bool { return p.observe }

// LooksAtKnown reports whether a decision can depend on Call.Known, which for
// some calls is known only if the Engine is asked.
func (p *Policy) LooksAtKnown() bool { return p.looksAtKnown }

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

// Rules returns every rule in the order in which they are tried, kind by kind.
func (p *Policy) Rules() []Rule {
	var rules []Rule
	for _, kind := range Schema.Kinds {
		for _, r := range p.rules[kind.Kind] {
			rules = append(rules, r.Rule)
		}
	}
	return rules
}

// Warnings returns what is no mistake but hardly meant: rules that have expired
// at a time, rules that decide nothing, conditions that may fail.
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

// refersTo reports whether a rule or a local looks at an attribute.
func (p *Policy) refersTo(object, attribute string) bool {
	for _, local := range p.locals {
		if mentions(local.expr, object, attribute) {
			return true
		}
	}
	for _, rules := range p.rules {
		for _, r := range rules {
			for _, attr := range r.block.Body.Attributes {
				if mentions(attr.Expr, object, attribute) {
					return true
				}
			}
		}
	}
	return false
}
