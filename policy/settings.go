package policy

import (
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// readSettings reads the attributes at the top of a file.
func (l *loader) readSettings(body *hclsyntax.Body, p *Policy, inherit *bool) {
	for _, attr := range inOrder(body.Attributes) {
		l.once("setting "+attr.Name, attr.NameRange, "Duplicate setting")
		switch attr.Name {
		case "mode":
			if mode, ok := l.constantString(attr); ok {
				p.observe = mode == "observe"
				if mode != "observe" && mode != "enforce" {
					l.fault(attr.Expr.Range(), "Unsupported mode", `The mode is "enforce" or "observe", not %q.%s`, mode, didYouMean(mode, []string{"enforce", "observe"}))
				}
			}
		case "inherit":
			v, ok := l.constant(attr)
			switch {
			case !ok:
			case v.IsNull() || v.Type() != cty.Bool:
				l.fault(attr.Expr.Range(), "Unsuitable value", "inherit is true or false; this is %s.", describe(v))
			default:
				*inherit = v.True()
			}
		default:
			l.fault(attr.NameRange, "Unsupported setting", "A policy has no setting %q.%s", attr.Name, didYouMean(attr.Name, settingNames(Schema.Settings)))
		}
	}
}

// constant evaluates an attribute that may not depend on the call.
func (l *loader) constant(attr *hclsyntax.Attribute) (cty.Value, bool) {
	v, ok := l.check(attr.Expr, "")
	if ok && l.locals.isLive(attr.Expr) {
		l.fault(attr.Expr.Range(), "Value must be constant", "%s cannot depend on the call; write one rule for each value.", attr.Name)
		return v, false
	}
	return v, ok
}

// constantString evaluates an attribute that is a string and may not depend on
// the call.
func (l *loader) constantString(attr *hclsyntax.Attribute) (string, bool) {
	v, ok := l.constant(attr)
	if !ok {
		return "", false
	}
	if v.IsNull() || v.Type() != cty.String {
		l.fault(attr.Expr.Range(), "Unsuitable value", "%s is a string, in quotes; this is %s.", attr.Name, describe(v))
		return "", false
	}
	return v.AsString(), true
}

// inOrder returns attributes in the order of the file.
func inOrder(attrs hclsyntax.Attributes) []*hclsyntax.Attribute {
	all := make([]*hclsyntax.Attribute, 0, len(attrs))
	for _, attr := range attrs {
		all = append(all, attr)
	}
	slices.SortFunc(all, func(a, b *hclsyntax.Attribute) int { return a.SrcRange.Start.Byte - b.SrcRange.Start.Byte })
	return all
}

func settingNames(settings []Setting) []string {
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.Name
	}
	return names
}
