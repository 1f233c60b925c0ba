package policy

import (
	"math/big"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// compile returns a condition as a Go function, nil if HCL has to evaluate it.
// HCL takes microseconds where this takes nanoseconds, and a rule of kind api
// is held against every ping. The forms here cannot fail, and mean what they
// mean to HCL: attributes that need no look-up, !, &&, ||, ==, !=, startswith.
func (l *loader) compile(expr hclsyntax.Expression, kind Kind) func(*scope) bool {
	switch expr := expr.(type) {
	case *hclsyntax.ParenthesesExpr:
		return l.compile(expr.Expression, kind)
	case *hclsyntax.ScopeTraversalExpr:
		get, _ := getterOf(expr, kind).(func(*scope) bool)
		return get
	case *hclsyntax.UnaryOpExpr:
		if operand := l.compile(expr.Val, kind); operand != nil && expr.Op == hclsyntax.OpLogicalNot {
			return func(s *scope) bool { return !operand(s) }
		}
	case *hclsyntax.BinaryOpExpr:
		switch expr.Op {
		case hclsyntax.OpLogicalAnd, hclsyntax.OpLogicalOr:
			left, right := l.compile(expr.LHS, kind), l.compile(expr.RHS, kind)
			switch {
			case left == nil || right == nil:
				return nil
			case expr.Op == hclsyntax.OpLogicalAnd:
				return func(s *scope) bool { return left(s) && right(s) }
			}
			return func(s *scope) bool { return left(s) || right(s) }
		case hclsyntax.OpEqual, hclsyntax.OpNotEqual:
			want := expr.Op == hclsyntax.OpEqual
			if a, b := l.compileText(expr.LHS, kind), l.compileText(expr.RHS, kind); a != nil && b != nil {
				return func(s *scope) bool { return (a(s) == b(s)) == want }
			}
			if a, b := l.compileNumber(expr.LHS, kind), l.compileNumber(expr.RHS, kind); a != nil && b != nil {
				return func(s *scope) bool { return (a(s) == b(s)) == want }
			}
		}
	case *hclsyntax.FunctionCallExpr:
		if expr.Name != "startswith" || len(expr.Args) != 2 || expr.ExpandFinal {
			return nil
		}
		if text, prefix := l.compileText(expr.Args[0], kind), l.compileText(expr.Args[1], kind); text != nil && prefix != nil {
			return func(s *scope) bool { return strings.HasPrefix(text(s), prefix(s)) }
		}
	}
	return nil
}

// compileText returns a text as a Go function, nil if it is neither constant
// nor an attribute.
func (l *loader) compileText(expr hclsyntax.Expression, kind Kind) func(*scope) string {
	if v := l.constantOf(expr, kind); v != cty.NilVal && v.Type() == cty.String {
		text := v.AsString()
		return func(*scope) string { return text }
	}
	get, _ := getterOf(expr, kind).(func(*scope) string)
	return get
}

// compileNumber returns a whole number as a Go function, nil if it is neither
// constant nor an attribute.
func (l *loader) compileNumber(expr hclsyntax.Expression, kind Kind) func(*scope) int {
	if v := l.constantOf(expr, kind); v != cty.NilVal && v.Type() == cty.Number {
		number, accuracy := v.AsBigFloat().Int64()
		if accuracy != big.Exact {
			return nil
		}
		return func(*scope) int { return int(number) }
	}
	get, _ := getterOf(expr, kind).(func(*scope) int)
	return get
}

// constantOf returns the value of an expression that no call changes, NilVal
// if there is none.
func (l *loader) constantOf(expr hclsyntax.Expression, kind Kind) cty.Value {
	if l.isLive(expr) {
		return cty.NilVal
	}
	v, diags := expr.Value(l.unknownContext(kind))
	if diags.HasErrors() || !v.IsWhollyKnown() || v.IsNull() {
		return cty.NilVal
	}
	return v
}

// getterOf returns the getter of the attribute that an expression is, nil if
// the expression is anything else.
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
