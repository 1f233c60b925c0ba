package policy

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// check finds every mistake in an expression, as a rule of the kind sees it. A
// local or a setting has the kind "". The value is unknown where it depends on
// the call; ok reports whether there was no mistake.
func (l *loader) check(expr hclsyntax.Expression, kind Kind) (v cty.Value, ok bool) {
	before := len(l.diags)
	c := &checker{loader: l, kind: kind, contexts: []*hcl.EvalContext{l.locals.unknownContext(kind)}, readsKeys: calls(expr, "keys")}
	hclsyntax.Walk(expr, c)
	c.evaluate(expr)
	v, _ = expr.Value(c.contexts[0])
	return v, !l.diags[before:].HasErrors()
}

// Enter implements hclsyntax.Walker.
func (c *checker) Enter(node hclsyntax.Node) hcl.Diagnostics {
	switch node := node.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		c.checkName(node)
	case *hclsyntax.IndexExpr:
		c.checkElement(node.Collection, node.SrcRange)
	case *hclsyntax.FunctionCallExpr:
		if isCatching(node) {
			c.catching++
		}
	case *hclsyntax.ForExpr:
		c.fors = append(c.fors, node)
	case hclsyntax.ChildScope:
		c.contexts = append(c.contexts, c.forContext(c.fors[len(c.fors)-1]))
		c.forVariables = append(c.forVariables, node.LocalNames)
	}
	return nil
}

// Exit implements hclsyntax.Walker. The nodes below were checked before, so
// that a mistake is reported once, at the smallest node that has it.
func (c *checker) Exit(node hclsyntax.Node) hcl.Diagnostics {
	switch node := node.(type) {
	case *hclsyntax.BinaryOpExpr:
		switch node.Op {
		case hclsyntax.OpEqual, hclsyntax.OpNotEqual:
			c.checkEquality(node)
		case hclsyntax.OpLessThan, hclsyntax.OpLessThanOrEqual, hclsyntax.OpGreaterThan, hclsyntax.OpGreaterThanOrEqual:
			c.checkNumber(node.LHS)
			c.checkNumber(node.RHS)
		case hclsyntax.OpLogicalAnd, hclsyntax.OpLogicalOr:
			c.checkExclusion(node)
			for _, side := range []hclsyntax.Expression{node.LHS, node.RHS} {
				c.checkCondition(side)
				if !isLogical(side) { // the operands of && and || were evaluated
					c.evaluate(side)
				}
			}
		}
	case *hclsyntax.UnaryOpExpr:
		if node.Op == hclsyntax.OpLogicalNot {
			c.checkCondition(node.Val)
		}
	case *hclsyntax.ConditionalExpr:
		c.checkCondition(node.Condition)
		c.evaluate(node.TrueResult)
		c.evaluate(node.FalseResult)
	case *hclsyntax.FunctionCallExpr:
		if isCatching(node) {
			c.catching--
		}
		c.checkCall(node)
	case *hclsyntax.ForExpr:
		c.fors = c.fors[:len(c.fors)-1]
	case hclsyntax.ChildScope:
		c.evaluate(node.Expr)
		c.contexts = c.contexts[:len(c.contexts)-1]
		c.forVariables = c.forVariables[:len(c.forVariables)-1]
	}
	return nil
}

// isCatching reports whether the arguments of a call may fail.
func isCatching(call *hclsyntax.FunctionCallExpr) bool {
	return call.Name == "can" || call.Name == "try"
}

func isLogical(expr hclsyntax.Expression) bool {
	binary, ok := expr.(*hclsyntax.BinaryOpExpr)
	return ok && (binary.Op == hclsyntax.OpLogicalAnd || binary.Op == hclsyntax.OpLogicalOr)
}
