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

// readBlock reads a rule. It gives nil for a block that is none.
func (l *loader) readBlock(f *source, block *hclsyntax.Block) *rule {
	if block.Type == "locals" {
		return nil
	}
	spec, ok := Schema.Kind(Kind(block.Type))
	if !ok {
		names := []string{"locals"}
		for _, k := range Schema.Kinds {
			names = append(names, string(k.Kind))
		}
		l.fault(block.TypeRange, "Unsupported block", "There is no kind of rule named %q.%s The kinds are port, network, mount, privilege and api.", block.Type, didYouMean(block.Type, names))
		return nil
	}
	r := &rule{block: block, src: f}
	r.Rule = Rule{Kind: spec.Kind, File: f.Name, Line: block.TypeRange.Start.Line}
	l.readName(f, r)
	for _, nested := range block.Body.Blocks {
		if attr, ok := settingNamed(nested.Type); ok {
			l.fault(nested.TypeRange, "Unsupported block", "%s is an attribute: write %s = …", attr.Name, attr.Name)
		} else {
			l.fault(nested.TypeRange, "Unsupported block", "A rule holds no blocks.%s", didYouMean(nested.Type, settingNames(Schema.Rule)))
		}
	}
	for _, attr := range sorted(block.Body.Attributes) {
		switch attr.Name {
		case "when":
			l.readWhen(r, attr)
		case "action":
			l.readAction(r, spec, attr)
		case "to":
			l.readTo(r, attr)
		case "message":
			r.message = l.readMessage(r, attr)
		case "expires":
			l.readExpires(r, attr)
		default:
			l.fault(attr.NameRange, "Unsupported attribute", "A rule has no attribute %q.%s", attr.Name, l.meantInRule(spec, attr.Name))
		}
	}
	l.checkAction(r)
	return r
}

// readName takes the name of a rule, which is its block's one label.
func (l *loader) readName(f *source, r *rule) {
	labels, ranges := r.block.Labels, r.block.LabelRanges
	switch {
	case len(labels) == 0:
		l.fault(r.block.TypeRange, "Rule without a name", "Say what the rule is for; logs and messages show it: %s \"why\" { … }", r.Kind)
		return
	case len(labels) > 1:
		l.fault(ranges[1], "Rule with two names", "A rule has one name: put %q and what follows it into the same quotes, or remove it.", labels[1])
		return
	case strings.TrimSpace(labels[0]) == "":
		l.fault(ranges[0], "Rule without a name", "Say what the rule is for; logs and messages show it.")
		return
	}
	r.Name = labels[0]
	who := "user's"
	if f.Builtin {
		who = "built-in" // a user may give a rule the name of the built-in one that it is put before
	}
	l.once(fmt.Sprintf("%s rule %s %q", who, r.Kind, r.Name), ranges[0], "Duplicate rule")
}

func (l *loader) readWhen(r *rule, attr *hclsyntax.Attribute) {
	v, ok := l.check(attr.Expr, r.Kind)
	r.when = l.settle(attr.Expr, r.Kind, v)
	if !ok {
		r.broken = true
		return
	}
	switch {
	case v.Type() == cty.DynamicPseudoType && !v.IsKnown():
	case v.IsNull() || v.Type() != cty.Bool:
		l.fault(attr.Expr.Range(), "Unsuitable value", "when is a condition, true or false; this is %s.", describe(v))
	case v.IsKnown() && v.True():
		r.when = nil
	case v.IsKnown():
		l.warn(attr.Expr.Range(), "Rule never holds", "The condition is false whatever the call is. Remove the rule, or let it expire.")
	}
	if r.when != nil {
		r.test = l.compile(r.when.expr, r.Kind)
		r.common = !slices.ContainsFunc(r.when.objects, func(o Object) bool { return o.Name == string(r.Kind) })
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
	name, ok := l.constantText(attr)
	if !ok {
		return
	}
	action, err := actionNamed(name)
	switch {
	case err != nil:
		l.fault(attr.Expr.Range(), "Unsupported action", "There is no action %q.%s %s", name, meant(name, names, actionSynonyms), choice)
	case !slices.Contains(spec.Actions, action):
		l.fault(attr.Expr.Range(), "Unsupported action", "A %s rule cannot %s. %s", spec.Kind, name, choice)
	}
	r.action = action
}

// actionSynonyms are what other tools call the actions.
var actionSynonyms = map[string]string{
	"accept": "allow", "permit": "allow", "pass": "allow", "log": "warn", "audit": "warn",
	"block": "deny", "reject": "deny", "refuse": "deny", "drop": "deny", "forbid": "deny",
	"rewrite": "bind", "listen": "bind", "publish": "bind", "loopback": "bind", "substitute": "replace",
}

// checkAction holds a rule's attributes against each other.
func (l *loader) checkAction(r *rule) {
	attrs := r.block.Body.Attributes
	action, to := attrs["action"], attrs["to"]
	switch {
	case action == nil:
		l.fault(r.block.DefRange(), "Rule without an action", `Say what to do, as in action = "deny".`)
	case r.action == Bind && to == nil && r.Kind == KindPort:
		l.fault(action.Range(), "Bind without an address", `Say where to bind the port, as in to = ["127.0.0.1"].`)
	case r.action != Bind && to != nil && r.Kind == KindPort:
		l.fault(to.NameRange, "Address without bind", `Only action = "bind" takes to.`)
	case to != nil && r.Kind != KindPort:
		l.fault(to.NameRange, "Address without a port", "Only port rules bind; a %s rule has no to.", r.Kind)
	}
}

func (l *loader) readMessage(r *rule, attr *hclsyntax.Attribute) *value {
	v, ok := l.check(attr.Expr, r.Kind)
	if !ok {
		return nil
	}
	if v.IsNull() || v.Type() != cty.String && v.Type() != cty.DynamicPseudoType {
		l.fault(attr.Expr.Range(), "Unsuitable value", "message is a text; this is %s.", describe(v))
		return nil
	}
	return l.settle(attr.Expr, r.Kind, v)
}

func (l *loader) readExpires(r *rule, attr *hclsyntax.Attribute) {
	if _, isSum := attr.Expr.(*hclsyntax.BinaryOpExpr); isSum {
		l.fault(attr.Expr.Range(), "Unsuitable time", `Write the time in quotes, as in "2027-01-01T00:00:00Z" (RFC 3339).`)
		return
	}
	text, ok := l.constantText(attr)
	if !ok {
		return
	}
	at, err := time.Parse(time.RFC3339, text)
	switch {
	case err == nil:
		r.expires = &at
	case isDate(text):
		l.fault(attr.Expr.Range(), "Unsuitable time", "A day alone has no time zone: write expires = %q.", text+"T00:00:00Z")
	default:
		l.fault(attr.Expr.Range(), "Unsuitable time", `Write the time as in "2027-01-01T00:00:00Z" (RFC 3339).`)
	}
}

func isDate(text string) bool {
	_, err := time.Parse(time.DateOnly, text)
	return err == nil
}
