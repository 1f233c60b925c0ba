package policy

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// maxShown is how many characters of a string are printed.
const maxShown = 60

// show writes a value briefly, and only the size of a value that may be secret.
func show(v cty.Value, secret bool) string {
	ty := v.Type()
	switch {
	case v.IsNull():
		return "null"
	case !v.IsKnown():
		return "not known"
	case ty == cty.Bool:
		return fmt.Sprint(v.True())
	case ty == cty.Number:
		return v.AsBigFloat().Text('g', 10)
	case ty == cty.String && secret:
		return fmt.Sprintf("a string of %d characters", utf8.RuneCountInString(v.AsString()))
	case ty == cty.String:
		text := []rune(v.AsString())
		if len(text) > maxShown {
			return fmt.Sprintf("%q… (%d characters)", string(text[:maxShown]), len(text))
		}
		return fmt.Sprintf("%q", string(text))
	case ty.IsObjectType():
		return "an object"
	case v.LengthInt() == 1:
		return "a " + ty.FriendlyName() + " with 1 element"
	}
	return fmt.Sprintf("a %s with %d elements", ty.FriendlyName(), v.LengthInt())
}

// describe says what a value is, for the end of a sentence.
func describe(v cty.Value) string {
	switch {
	case v.IsNull():
		return "null"
	case v.IsKnown() && v.Type().IsPrimitiveType():
		return fmt.Sprintf("the %s %s", v.Type().FriendlyName(), show(v, false))
	}
	return article(v.Type().FriendlyName())
}

// spell writes a traversal as in a policy.
func spell(traversal hcl.Traversal) string {
	var b strings.Builder
	for _, step := range traversal {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(step.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + step.Name)
		case hcl.TraverseIndex:
			b.WriteString("[" + show(step.Key, false) + "]")
		}
	}
	return b.String()
}

// isSecret reports whether a traversal leads to a value that may be secret. On
// a live call, a local may hold a secret.
func isSecret(traversal hcl.Traversal, live bool) bool {
	if len(traversal) < 2 {
		return true // an object as a whole, or a variable of a for expression
	}
	if traversal.RootName() == "local" {
		return live
	}
	step, ok := traversal[1].(hcl.TraverseAttr)
	for _, kind := range Schema.Kinds {
		if object, found := Schema.object(kind.Kind, traversal.RootName()); found {
			attr, found := object.attribute(step.Name)
			return !ok || !found || attr.Secret
		}
	}
	return true
}

// valuesIn lists the variables of a failed expression with their values, as in
// port.container = 80.
func valuesIn(diag *hcl.Diagnostic, live bool) []string {
	if diag.Expression == nil || diag.EvalContext == nil {
		return nil
	}
	var values []string
	for _, traversal := range diag.Expression.Variables() {
		v, diags := traversal.TraverseAbs(diag.EvalContext)
		for diags.HasErrors() && len(traversal) > 2 {
			traversal = traversal[:len(traversal)-1]
			v, diags = traversal.TraverseAbs(diag.EvalContext)
		}
		if diags.HasErrors() || !v.IsKnown() || v.Type().IsObjectType() {
			continue
		}
		text := spell(traversal) + " = " + show(v, isSecret(traversal, live))
		if !slices.Contains(values, text) {
			values = append(values, text)
		}
	}
	slices.Sort(values)
	return values
}
