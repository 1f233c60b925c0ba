package policy

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// stepName returns the name to which a step of a traversal leads: b for a.b and
// for a["b"].
func stepName(step hcl.Traverser) (string, bool) {
	switch step := step.(type) {
	case hcl.TraverseAttr:
		return step.Name, true
	case hcl.TraverseIndex:
		if step.Key.Type() == cty.String {
			return step.Key.AsString(), true
		}
	}
	return "", false
}

// localName returns the name of the local to which a traversal leads, "" if it
// leads elsewhere.
func localName(t hcl.Traversal) string {
	if t.RootName() != "local" || len(t) < 2 {
		return ""
	}
	name, _ := stepName(t[1])
	return name
}

// mentions reports whether an expression refers to an attribute of an object,
// or to the object as a whole.
func mentions(expr hclsyntax.Expression, object, attribute string) bool {
	return slices.ContainsFunc(expr.Variables(), func(t hcl.Traversal) bool {
		if t.RootName() != object {
			return false
		}
		if len(t) < 2 {
			return true
		}
		name, ok := stepName(t[1])
		return name == attribute || !ok
	})
}

// calls reports whether an expression calls a function.
func calls(expr hclsyntax.Expression, name string) (found bool) {
	hclsyntax.VisitAll(expr, func(node hclsyntax.Node) hcl.Diagnostics {
		call, ok := node.(*hclsyntax.FunctionCallExpr)
		found = found || ok && call.Name == name
		return nil
	})
	return found
}
