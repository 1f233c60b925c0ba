package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// checkEquality faults a comparison of values that are never equal.
func (c *checker) checkEquality(node *hclsyntax.BinaryOpExpr) {
	left, diags := node.LHS.Value(c.context())
	right, more := node.RHS.Value(c.context())
	if diags.HasErrors() || more.HasErrors() || c.isFaulted(node.LHS) || c.isFaulted(node.RHS) {
		return
	}
	if left.IsNull() || right.IsNull() {
		expr := node.LHS
		if left.IsNull() {
			expr = node.RHS
		}
		if object, attr, ok := c.attributeOf(expr); ok {
			c.fault(node.SrcRange, "Comparison with null", "%s.%s is never null.%s", object, attr.Name, compareWithEmpty(attr))
		}
		return
	}
	if !comparable(left.Type(), right.Type()) {
		c.faultTypes(node.SrcRange, node.LHS, left, node.RHS, right)
		return
	}
	c.checkValue(node.LHS, right, node.RHS.Range())
	c.checkValue(node.RHS, left, node.LHS.Range())
}

// comparable reports whether values of two types can be equal.
func comparable(a, b cty.Type) bool {
	return a.HasDynamicTypes() || b.HasDynamicTypes() || a.Equals(b)
}

// compareWithEmpty says how to find out whether an attribute has a value.
func compareWithEmpty(a Attribute) string {
	switch a.Type() {
	case "string":
		return ` Compare it with "".`
	case "list of string", "map of string":
		return " Compare its length with 0."
	}
	return ""
}

// faultTypes faults a comparison of values of different types, which HCL
// evaluates to false.
func (c *checker) faultTypes(at hcl.Range, left hclsyntax.Expression, l cty.Value, right hclsyntax.Expression, r cty.Value) {
	c.fault(at, "Comparison of different types", "%s and %s: they are never equal.%s", c.operand(left, l), c.operand(right, r), conversion(l, r))
}

// operand says of which type an operand is. Its expression may be nil.
func (c *checker) operand(expr hclsyntax.Expression, v cty.Value) string {
	if object, attr, ok := c.attributeOf(expr); ok {
		return fmt.Sprintf("%s.%s is %s", object, attr.Name, article(attr.Type()))
	}
	if v.IsKnown() && v.Type().IsPrimitiveType() {
		return fmt.Sprintf("%s is %s", show(v, false), article(v.Type().FriendlyName()))
	}
	return "this is " + article(v.Type().FriendlyName())
}

// conversion says how to write a constant so that it can be compared.
func conversion(left, right cty.Value) string {
	for range 2 {
		left, right = right, left
		if !left.Type().IsPrimitiveType() {
			continue
		}
		if right.CanIterateElements() {
			return " To look for a value in a list, write contains(list, value)."
		}
		if v, err := convert.Convert(right, left.Type()); err == nil && v.IsKnown() {
			return fmt.Sprintf(" Write %s.", show(v, false))
		}
	}
	return ""
}

// checkNumber warns of a string that is compared as a number.
func (c *checker) checkNumber(expr hclsyntax.Expression) {
	object, attr, ok := c.attributeOf(expr)
	if !ok || c.catching > 0 || attr.Type() != "string" {
		return
	}
	instead := attr.advice
	if instead == "" {
		instead = fmt.Sprintf("Write try(tonumber(%s.%s), 0).", object, attr.Name)
	}
	c.warn(expr.Range(), "String compared as a number", "If %s.%s is not a number, the condition fails and the rule denies. %s", object, attr.Name, instead)
}

// checkValue faults a comparison of an attribute with a string that it never
// holds.
func (c *checker) checkValue(expr hclsyntax.Expression, v cty.Value, at hcl.Range) {
	object, attr, ok := c.attributeOf(expr)
	if !ok || v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return
	}
	text := v.AsString()
	if attr.spelling != nil && text != "" && attr.spelling(text) != text {
		instead := attr.advice
		if spelt := attr.spelling(text); spelt != "" {
			instead = fmt.Sprintf("Write %q.", spelt)
		}
		c.fault(at, "Impossible value", "%s.%s is never %q. %s", object, attr.Name, text, instead)
		return
	}
	if attr.suspect != nil && attr.suspect(text) != "" {
		c.warn(at, "Unusual value", "%s.%s is hardly ever %q: %s", object, attr.Name, text, attr.suspect(text))
		return
	}
	usual := attr.Usual(c.names)
	switch {
	case attr.Values != nil && !slices.Contains(attr.Values, text):
		c.fault(at, "Impossible value", "%s.%s is never %q.%s It is one of %s.", object, attr.Name, text, didYouMean(text, attr.Values), list(attr.Values))
	case usual != nil && !slices.Contains(usual, text):
		if near := didYouMean(text, usual); near != "" {
			c.warn(at, "Unusual value", "%s.%s is hardly ever %q.%s", object, attr.Name, text, near)
		}
	case strings.Contains(text, "*"):
		c.warn(at, "Pattern compared as a string", "== knows no wildcards. Write glob(%q, %s.%s).", text, object, attr.Name)
	}
}

// checkCall checks a function's name, and its arguments where they are constant.
func (c *checker) checkCall(node *hclsyntax.FunctionCallExpr) {
	i := slices.IndexFunc(functions, func(f Function) bool { return f.Name == node.Name })
	if i < 0 {
		names := make([]string, len(functions))
		for i, f := range functions {
			names[i] = f.Name
		}
		c.fault(node.NameRange, "Call to unknown function", "There is no function named %q.%s", node.Name, didYouMean(node.Name, names))
		return
	}
	if len(node.Args) == 0 {
		return // HCL says what is missing
	}
	first, diags := node.Args[0].Value(c.context())
	if diags.HasErrors() || first.IsNull() {
		return
	}
	if check := functions[i].check; check != nil && first.IsKnown() && first.Type() == cty.String {
		if err := check(first.AsString()); err != nil {
			c.fault(node.Args[0].Range(), "Invalid function argument", "%s: %s.", node.Name, err)
		}
	}
	if node.Name == "contains" && len(node.Args) == 2 && !node.ExpandFinal {
		c.checkContains(node, first)
	}
}

// checkContains faults an element of a list that is never equal to the value.
func (c *checker) checkContains(node *hclsyntax.FunctionCallExpr, set cty.Value) {
	value, diags := node.Args[1].Value(c.context())
	ty := set.Type()
	switch {
	case diags.HasErrors() || value.IsNull():
	case ty.IsPrimitiveType():
		c.fault(node.Args[0].Range(), "Invalid function argument", "contains takes a list first; this is %s. Write contains(list, value), or strcontains(text, part) for a part of a string.", describe(set))
	case ty.IsListType() || ty.IsSetType():
		if !comparable(ty.ElementType(), value.Type()) {
			c.fault(node.Range(), "Comparison of different types", "%s, and the list holds values of type %s: they are never equal.",
				c.operand(node.Args[1], value), ty.ElementType().FriendlyName())
		}
	case ty.IsTupleType():
		for i := range ty.TupleElementTypes() {
			element, at := cty.UnknownVal(ty.TupleElementType(i)), node.Args[0].Range()
			if literal, ok := node.Args[0].(*hclsyntax.TupleConsExpr); ok {
				element, _ = literal.Exprs[i].Value(c.context())
				at = literal.Exprs[i].Range()
			} else if set.IsKnown() {
				element = set.Index(cty.NumberIntVal(int64(i)))
			}
			if !comparable(element.Type(), value.Type()) {
				c.faultTypes(at, node.Args[1], value, nil, element)
				continue
			}
			c.checkValue(node.Args[1], element, at)
		}
	}
}
