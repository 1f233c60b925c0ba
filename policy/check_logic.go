package policy

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// condition faults what stands as a condition and is none. HCL takes a text
// for one if it is "true" or "false", which no call tells before it is made.
func (c *checker) condition(expr hclsyntax.Expression) {
	v, diags := expr.Value(c.scope())
	ty := v.Type()
	if diags.HasErrors() || c.isFaulted(expr) || ty == cty.Bool || ty == cty.DynamicPseudoType {
		return
	}
	instead := ""
	if _, attr, ok := c.attributeOf(expr); ok {
		instead = emptyOf(attr)
	}
	c.fault(expr.Range(), "Unsuitable operand", "!, &&, || and ? take conditions; this is %s.%s", describe(v), instead)
}

// exclusive faults comparisons of one attribute with two texts that cannot
// both hold (&&), or of which one always does (||).
func (c *checker) exclusive(node *hclsyntax.BinaryOpExpr) {
	compared, advice := hclsyntax.OpEqual, "is never both %s and %s. To hold for either, write ||."
	if node.Op == hclsyntax.OpLogicalOr {
		compared, advice = hclsyntax.OpNotEqual, "always differs from %s or from %s. To hold for neither, write &&."
	}
	for _, right := range c.comparisons(node.RHS, node.Op, compared) {
		for _, left := range c.comparisons(node.LHS, node.Op, compared) {
			if left.attribute == right.attribute && !left.value.RawEquals(right.value) {
				c.fault(node.Range(), "Comparisons that exclude each other", "%s "+advice,
					left.attribute, show(left.value, false), show(right.value, false))
				return
			}
		}
	}
}

// comparison is of an attribute with what is known.
type comparison struct {
	attribute string
	value     cty.Value
}

// comparisons are those in a chain of one operator.
func (c *checker) comparisons(expr hclsyntax.Expression, chain, compared *hclsyntax.Operation) (found []comparison) {
	if parens, ok := expr.(*hclsyntax.ParenthesesExpr); ok {
		return c.comparisons(parens.Expression, chain, compared)
	}
	node, ok := expr.(*hclsyntax.BinaryOpExpr)
	if !ok {
		return nil
	}
	if node.Op == chain {
		return append(c.comparisons(node.LHS, chain, compared), c.comparisons(node.RHS, chain, compared)...)
	}
	if node.Op != compared {
		return nil
	}
	for _, sides := range [][2]hclsyntax.Expression{{node.LHS, node.RHS}, {node.RHS, node.LHS}} {
		object, attr, ok := c.attributeOf(sides[0])
		v, diags := sides[1].Value(c.scope())
		if ok && !diags.HasErrors() && v.IsKnown() && !v.IsNull() && v.Type().IsPrimitiveType() {
			found = append(found, comparison{object + "." + attr.Name, v})
		}
	}
	return found
}
