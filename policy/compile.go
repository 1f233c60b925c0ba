package policy

import (
	"math/big"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// compile returns a condition as a Go function, nil if HCL has to evaluate it.
// HCL takes microseconds where the function takes nanoseconds, and every ping is
// decided by rules of kind api. Only expressions that cannot fail are compiled:
// attributes that need no look-up, !, &&, ||, ==, != and startswith. They mean
// what they mean to HCL.
func (ls locals) compile(expr hclsyntax.Expression, kind Kind) func(*scope) bool {
	switch expr := expr.(type) {
	case *hclsyntax.ParenthesesExpr:
		return ls.compile(expr.Expression, kind)
	case *hclsyntax.ScopeTraversalExpr:
		get, _ := getterOf(expr, kind).(func(*scope) bool)
		return get
	case *hclsyntax.UnaryOpExpr:
		if operand := ls.compile(expr.Val, kind); operand != nil && expr.Op == hclsyntax.OpLogicalNot {
			return func(s *scope) bool { return !operand(s) }
		}
	case *hclsyntax.BinaryOpExpr:
		switch expr.Op {
		case hclsyntax.OpLogicalAnd, hclsyntax.OpLogicalOr:
			left, right := ls.compile(expr.LHS, kind), ls.compile(expr.RHS, kind)
			switch {
			case left == nil || right == nil:
				return nil
			case expr.Op == hclsyntax.OpLogicalAnd:
				return func(s *scope) bool { return left(s) && right(s) }
			}
			return func(s *scope) bool { return left(s) || right(s) }
		case hclsyntax.OpEqual, hclsyntax.OpNotEqual:
			want := expr.Op == hclsyntax.OpEqual
			if a, b := ls.compileText(expr.LHS, kind), ls.compileText(expr.RHS, kind); a != nil && b != nil {
				return func(s *scope) bool { return (a(s) == b(s)) == want }
			}
			if a, b := ls.compileNumber(expr.LHS, kind), ls.compileNumber(expr.RHS, kind); a != nil && b != nil {
				return func(s *scope) bool { return (a(s) == b(s)) == want }
			}
		}
	case *hclsyntax.FunctionCallExpr:
		if expr.Name != "startswith" || len(expr.Args) != 2 || expr.ExpandFinal {
			return nil
		}
		if text, prefix := ls.compileText(expr.Args[0], kind), ls.compileText(expr.Args[1], kind); text != nil && prefix != nil {
			return func(s *scope) bool { return strings.HasPrefix(text(s), prefix(s)) }
		}
	}
	return nil
}

// compileText returns a string as a Go function, nil if the expression is neither
// a constant string nor an attribute.
func (ls locals) compileText(expr hclsyntax.Expression, kind Kind) func(*scope) string {
	if v := ls.constantOf(expr, kind); v != cty.NilVal && v.Type() == cty.String {
		text := v.AsString()
		return func(*scope) string { return text }
	}
	get, _ := getterOf(expr, kind).(func(*scope) string)
	return get
}

// compileNumber returns a whole number as a Go function, nil if the expression is
// neither a constant whole number nor an attribute.
func (ls locals) compileNumber(expr hclsyntax.Expression, kind Kind) func(*scope) int {
	if v := ls.constantOf(expr, kind); v != cty.NilVal && v.Type() == cty.Number {
		number, accuracy := v.AsBigFloat().Int64()
		if accuracy != big.Exact {
			return nil
		}
		return func(*scope) int { return int(number) }
	}
	get, _ := getterOf(expr, kind).(func(*scope) int)
	return get
}

// constantOf returns the value of a constant expression, NilVal if the expression
// is not constant.
func (ls locals) constantOf(expr hclsyntax.Expression, kind Kind) cty.Value {
	if ls.isLive(expr) {
		return cty.NilVal
	}
	v, diags := expr.Value(ls.unknownContext(kind))
	if diags.HasErrors() || !v.IsWhollyKnown() || v.IsNull() {
		return cty.NilVal
	}
	return v
}

// getterOf returns the getter of an attribute, nil if the expression is not just
// an attribute.
func getterOf(expr hclsyntax.Expression, kind Kind) any {
	t, ok := expr.(*hclsyntax.ScopeTraversalExpr)
	if !ok || len(t.Traversal) != 2 {
		return nil
	}
	object, _ := Schema.object(kind, t.Traversal.RootName())
	name, _ := stepName(t.Traversal[1])
	attr, _ := object.attribute(name)
	return attr.get
}
