package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// readBlock reads a rule. It returns nil if the block is not a rule.
func (l *loader) readBlock(f *source, block *hclsyntax.Block) *rule {
	if block.Type == "locals" {
		return nil
	}
	spec, ok := Schema.Kind(Kind(block.Type))
	if !ok {
		kinds := Schema.kindNames()
		l.fault(block.TypeRange, "Unsupported block", "There is no kind of rule named %q.%s The kinds are %s.", block.Type, didYouMean(block.Type, append(kinds, "locals")), list(kinds))
		return nil
	}
	r := &rule{block: block, src: f}
	r.Rule = Rule{Kind: spec.Kind, File: f.Name, Line: block.TypeRange.Start.Line}
	l.readName(f, r)
	for _, nested := range block.Body.Blocks {
		l.fault(nested.TypeRange, "Unsupported block", "A rule has no blocks. It has %s: write each as in action = \"deny\".", list(settingNames(Schema.Rule)))
	}
	for _, attr := range inOrder(block.Body.Attributes) {
		switch attr.Name {
		case "when":
			l.readWhen(r, attr)
		case "action":
			l.readAction(r, spec, attr)
		case "to":
			l.readTo(r, attr)
		case "with":
			l.readWith(r, attr)
		case "message":
			r.message = l.readMessage(r, attr)
		case "expires":
			l.readExpires(r, attr)
		default:
			l.fault(attr.NameRange, "Unsupported attribute", "A rule has no attribute %q.%s", attr.Name, meantInRule(spec, attr.Name))
		}
	}
	l.checkAction(r, spec)
	return r
}

// meantInRule suggests what to write instead of an unknown attribute of a rule:
// an attribute of rules, or a condition with an attribute of the claim.
func meantInRule(spec KindSpec, name string) string {
	if guess := didYouMean(name, settingNames(Schema.Rule)); guess != "" {
		return guess
	}
	for _, a := range spec.Attributes {
		if a.Name == name || slices.Contains(a.synonyms, name) {
			return fmt.Sprintf(" To compare it, write when = %s.%s == …", spec.Kind, a.Name)
		}
	}
	return fmt.Sprintf(" It has %s.", list(settingNames(Schema.Rule)))
}

// readName reads the name of a rule, which is the only label of its block.
func (l *loader) readName(f *source, r *rule) {
	if len(r.block.Labels) != 1 || strings.TrimSpace(r.block.Labels[0]) == "" {
		l.fault(r.block.DefRange(), "Unsuitable name", "A rule has one name, in quotes, for logs and messages. Say what the rule is for: %s \"why\" { … }", r.Kind)
		return
	}
	r.Name = r.block.Labels[0]
	owner := "user's"
	if f.Builtin {
		owner = "built-in" // a user's rule may have the name of a built-in rule
	}
	l.once(fmt.Sprintf("%s rule %s %q", owner, r.Kind, r.Name), r.block.LabelRanges[0], "Duplicate rule")
}

func (l *loader) readWhen(r *rule, attr *hclsyntax.Attribute) {
	v, ok := l.check(attr.Expr, r.Kind)
	r.when = l.locals.newExpression(attr.Expr, r.Kind, v)
	if !ok {
		return
	}
	switch {
	case v.Type() == cty.DynamicPseudoType && !v.IsKnown():
	case v.IsNull() || v.Type() != cty.Bool:
		l.fault(attr.Expr.Range(), "Unsuitable value", "when is a condition, true or false; this is %s.", describe(v))
	case v.IsKnown() && v.True():
		r.when = nil
	case v.IsKnown():
		l.warn(attr.Expr.Range(), "Rule never holds", "The condition is false for every call. Remove the rule, or let it expire.")
	}
	if r.when != nil {
		r.test = l.locals.compile(r.when.expr, r.Kind)
		r.sameForCall = !slices.ContainsFunc(r.when.objects, func(o Object) bool { return o.Name == string(r.Kind) })
	}
}

func (l *loader) readAction(r *rule, spec KindSpec, attr *hclsyntax.Attribute) {
	names := make([]string, len(spec.Actions))
	for i, a := range spec.Actions {
		names[i] = a.String()
	}
	choice := fmt.Sprintf("The actions of %s are %s.", spec.Kind, list(names))
	if word := hcl.ExprAsKeyword(attr.Expr); word != "" && word != "local" {
		l.fault(attr.Expr.Range(), "Action without quotes", "Write action = %q. %s", word, choice)
		return
	}
	name, ok := l.constantString(attr)
	if !ok {
		return
	}
	action, ok := parseAction(name)
	switch {
	case !ok:
		guess := didYouMean(name, names)
		if other := actionSynonyms[strings.ToLower(name)]; slices.Contains(names, other) {
			guess = fmt.Sprintf(" Did you mean %q?", other)
		}
		l.fault(attr.Expr.Range(), "Unsupported action", "There is no action %q.%s %s", name, guess, choice)
	case !slices.Contains(spec.Actions, action):
		l.fault(attr.Expr.Range(), "Unsupported action", "A %s rule cannot %s. %s", spec.Kind, name, choice)
	}
	r.action = action
}

// actionSynonyms are the names that other tools give to the actions.
var actionSynonyms = map[string]string{
	"accept": "allow", "permit": "allow", "pass": "allow", "log": "warn", "audit": "warn",
	"block": "deny", "reject": "deny", "refuse": "deny", "drop": "deny", "forbid": "deny",
	"rewrite": "bind", "listen": "bind", "publish": "bind", "loopback": "bind", "substitute": "replace",
}

// checkAction checks that a rule has an action, addresses if and only if it
// binds, and a socket only if it replaces.
func (l *loader) checkAction(r *rule, spec KindSpec) {
	attrs := r.block.Body.Attributes
	action, to, with := attrs["action"], attrs["to"], attrs["with"]
	switch {
	case action == nil:
		l.fault(r.block.DefRange(), "Rule without an action", `Say what to do, as in action = "deny".`)
	case r.action == Bind && to == nil && slices.Contains(spec.Actions, Bind):
		l.fault(action.Range(), "Bind without an address", `Say where to bind the port, as in to = ["127.0.0.1"].`)
	case r.action != Bind && to != nil:
		l.fault(to.NameRange, "Address without bind", `Only rules with action = "bind" have to.`)
	case (r.Kind != KindMount || r.action != Replace) && with != nil:
		l.fault(with.NameRange, "Socket without replace", `Only mount rules with action = "replace" have with.`)
	}
}

func (l *loader) readMessage(r *rule, attr *hclsyntax.Attribute) *expression {
	v, ok := l.check(attr.Expr, r.Kind)
	if !ok {
		return nil
	}
	if v.IsNull() || v.Type() != cty.String && v.Type() != cty.DynamicPseudoType {
		l.fault(attr.Expr.Range(), "Unsuitable value", "message is a string; this is %s.", describe(v))
		return nil
	}
	return l.locals.newExpression(attr.Expr, r.Kind, v)
}

func (l *loader) readExpires(r *rule, attr *hclsyntax.Attribute) {
	text, ok := l.constantString(attr)
	if !ok {
		return
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		r.expires = &at
	} else if _, err := time.Parse(time.DateOnly, text); err == nil {
		l.fault(attr.Expr.Range(), "Unsuitable time", "A day alone has no time zone: write expires = %q.", text+"T00:00:00Z")
	} else {
		l.fault(attr.Expr.Range(), "Unsuitable time", `Write the time as in "2027-01-01T00:00:00Z" (RFC 3339).`)
	}
}
