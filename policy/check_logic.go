package policy

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// checkCondition faults an operand that is not a condition. HCL converts the
// strings "true" and "false", so it would find other strings only on a call.
func (c *checker) checkCondition(expr hclsyntax.Expression) {
	v, diags := expr.Value(c.context())
	ty := v.Type()
	if diags.HasErrors() || c.isFaulted(expr) || ty == cty.Bool || ty == cty.DynamicPseudoType {
		return
	}
	instead := ""
	if _, attr, ok := c.attributeOf(expr); ok {
		instead = compareWithEmpty(attr)
	}
	c.fault(expr.Range(), "Unsuitable operand", "!, &&, || and ? take conditions; this is %s.%s", describe(v), instead)
}

// checkExclusion faults a == x && a == y, which never holds, and
// a != x || a != y, which always holds.
func (c *checker) checkExclusion(node *hclsyntax.BinaryOpExpr) {
	operator, detail := hclsyntax.OpEqual, "%s is never both %s and %s. If it may be either, write ||."
	if node.Op == hclsyntax.OpLogicalOr {
		operator, detail = hclsyntax.OpNotEqual, "%s always differs from %s or from %s. If it may be neither, write &&."
	}
	for _, right := range c.comparisons(node.RHS, node.Op, operator) {
		for _, left := range c.comparisons(node.LHS, node.Op, operator) {
			if left.attribute == right.attribute && !left.value.RawEquals(right.value) {
				c.fault(node.Range(), "Comparisons that exclude each other", detail,
					left.attribute, show(left.value, false), show(right.value, false))
				return
			}
		}
	}
}

// comparison is a comparison of an attribute with a constant.
type comparison struct {
	attribute string
	value     cty.Value
}

// comparisons returns the comparisons by an operator that && or || joins.
func (c *checker) comparisons(expr hclsyntax.Expression, join, operator *hclsyntax.Operation) (found []comparison) {
	if parens, ok := expr.(*hclsyntax.ParenthesesExpr); ok {
		return c.comparisons(parens.Expression, join, operator)
	}
	node, ok := expr.(*hclsyntax.BinaryOpExpr)
	if !ok {
		return nil
	}
	if node.Op == join {
		return append(c.comparisons(node.LHS, join, operator), c.comparisons(node.RHS, join, operator)...)
	}
	if node.Op != operator {
		return nil
	}
	for _, sides := range [][2]hclsyntax.Expression{{node.LHS, node.RHS}, {node.RHS, node.LHS}} {
		object, attr, ok := c.attributeOf(sides[0])
		v, diags := sides[1].Value(c.context())
		if ok && !diags.HasErrors() && v.IsKnown() && !v.IsNull() && v.Type().IsPrimitiveType() {
			found = append(found, comparison{object + "." + attr.Name, v})
		}
	}
	return found
}
