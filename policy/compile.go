package policy

import (
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// truth is what a compiled condition says.
type truth int8

const (
	unclear truth = iota // the zero truth says nothing: HCL evaluates the condition, errors and all
	no
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// node is a compiled expression: exactly one of its fields is set. The forms
// that policies are mostly made of are compiled, and mean what they mean to
// HCL; an expression with any other form in it is left to HCL as a whole.
type node struct {
	known  cty.Value // neither null nor unknown
	test   func(*scope) truth
	text   func(*scope) (text string, ok bool) // not ok is unclear
	number func(*scope) int
	texts  func(*scope) ([]string, error) // an error is unclear
	pairs  func(*scope) map[string]string
}

// compile gives a rule's condition, nil if it has to be left to HCL.
func (l *loader) compile(expr hclsyntax.Expression, kind Kind) func(*scope) truth {
	n, ok := l.node(expr, kind)
	if !ok {
		return nil
	}
	return n.asTest()
}

func (l *loader) node(expr hclsyntax.Expression, kind Kind) (node, bool) {
	if !l.isLive(expr) {
		v, diags := expr.Value(l.unknownContext(kind))
		return node{known: v}, !diags.HasErrors() && v.IsWhollyKnown() && !v.IsNull()
	}
	switch expr := expr.(type) {
	case *hclsyntax.ParenthesesExpr:
		return l.node(expr.Expression, kind)
	case *hclsyntax.ScopeTraversalExpr:
		return l.traversalNode(expr.Traversal, kind)
	case *hclsyntax.UnaryOpExpr:
		return l.notNode(expr, kind)
	case *hclsyntax.BinaryOpExpr:
		return l.binaryNode(expr, kind)
	case *hclsyntax.ConditionalExpr:
		return l.conditionalNode(expr, kind)
	case *hclsyntax.FunctionCallExpr:
		return l.callNode(expr, kind)
	}
	return node{}, false
}

// asTest is a node as a condition, nil if it is none.
func (n node) asTest() func(*scope) truth {
	if n.known != cty.NilVal && n.known.Type() == cty.Bool {
		always := truthOf(n.known.True())
		return func(*scope) truth { return always }
	}
	return n.test
}

// asText is a node as a text, nil if it is none.
func (n node) asText() func(*scope) (string, bool) {
	if n.known != cty.NilVal && n.known.Type() == cty.String {
		text := n.known.AsString()
		return func(*scope) (string, bool) { return text, true }
	}
	return n.text
}

// asNumber is a node as a number, nil if it is none or no whole one.
func (n node) asNumber() func(*scope) int {
	if n.known != cty.NilVal {
		if number, ok := whole(n.known); ok {
			return func(*scope) int { return number }
		}
	}
	return n.number
}

func whole(v cty.Value) (int, bool) {
	if v.IsNull() || v.Type() != cty.Number {
		return 0, false
	}
	i, accuracy := v.AsBigFloat().Int64()
	return int(i), accuracy == big.Exact
}

func (l *loader) traversalNode(t hcl.Traversal, kind Kind) (node, bool) {
	if len(t) < 2 {
		return node{}, false
	}
	name, ok := stepName(t[1])
	if !ok {
		return node{}, false
	}
	if t.RootName() == "local" {
		local := l.locals[name]
		if len(t) > 2 || local == nil || slices.ContainsFunc(local.expr.Variables(), l.isLiveLocal) {
			return node{}, false // a Decider works out once what many locals share
		}
		return l.node(local.expr, "")
	}
	object, ok := Schema.object(kind, t.RootName())
	if !ok {
		return node{}, false
	}
	attr, ok := object.attribute(name)
	if !ok {
		return node{}, false
	}
	if get, isMap := attr.get.(func(*scope) map[string]string); isMap && len(t) == 3 {
		key, ok := stepName(t[2])
		return node{text: func(s *scope) (string, bool) {
			text, found := get(s)[key]
			return text, found
		}}, ok
	}
	switch get := attr.get.(type) {
	case func(*scope) int:
		return node{number: get}, len(t) == 2
	case func(*scope) string:
		return node{text: func(s *scope) (string, bool) { return get(s), true }}, len(t) == 2
	case func(*scope) (string, error):
		return node{text: func(s *scope) (string, bool) {
			text, err := get(s)
			return text, err == nil
		}}, len(t) == 2
	case func(*scope) bool:
		return node{test: func(s *scope) truth { return truthOf(get(s)) }}, len(t) == 2
	case func(*scope) ([]string, error):
		return node{texts: get}, len(t) == 2
	case func(*scope) map[string]string:
		return node{pairs: get}, len(t) == 2
	}
	return node{}, false
}

func (l *loader) notNode(expr *hclsyntax.UnaryOpExpr, kind Kind) (node, bool) {
	n, ok := l.node(expr.Val, kind)
	test := n.asTest()
	if !ok || test == nil || expr.Op != hclsyntax.OpLogicalNot {
		return node{}, false
	}
	return node{test: func(s *scope) truth { return not(test(s)) }}, true
}

func not(t truth) truth { return [...]truth{unclear, yes, no}[t] }

func (l *loader) binaryNode(expr *hclsyntax.BinaryOpExpr, kind Kind) (node, bool) {
	left, ok := l.node(expr.LHS, kind)
	right, ok2 := l.node(expr.RHS, kind)
	if !ok || !ok2 {
		return node{}, false
	}
	var test func(*scope) truth
	switch expr.Op {
	case hclsyntax.OpLogicalAnd:
		test = both(left.asTest(), right.asTest())
	case hclsyntax.OpLogicalOr:
		test = either(left.asTest(), right.asTest())
	case hclsyntax.OpEqual:
		test = equal(left, right)
	case hclsyntax.OpNotEqual:
		if same := equal(left, right); same != nil {
			test = func(s *scope) truth { return not(same(s)) }
		}
	case hclsyntax.OpLessThan:
		test = compare(left, right, func(a, b int) bool { return a < b })
	case hclsyntax.OpLessThanOrEqual:
		test = compare(left, right, func(a, b int) bool { return a <= b })
	case hclsyntax.OpGreaterThan:
		test = compare(left, right, func(a, b int) bool { return a > b })
	case hclsyntax.OpGreaterThanOrEqual:
		test = compare(left, right, func(a, b int) bool { return a >= b })
	}
	return node{test: test}, test != nil
}

// both is &&. As to HCL, a side that is false settles it even where the other
// one fails.
func both(a, b func(*scope) truth) func(*scope) truth {
	if a == nil || b == nil {
		return nil
	}
	return func(s *scope) truth {
		first := a(s)
		if first == no {
			return no
		}
		if second := b(s); second != yes {
			return second
		}
		return first
	}
}

// either is ||, and the mirror of both.
func either(a, b func(*scope) truth) func(*scope) truth {
	if a == nil || b == nil {
		return nil
	}
	return func(s *scope) truth {
		first := a(s)
		if first == yes {
			return yes
		}
		if second := b(s); second != no {
			return second
		}
		return first
	}
}

func equal(left, right node) func(*scope) truth {
	if a, b := left.asText(), right.asText(); a != nil && b != nil {
		return func(s *scope) truth {
			one, ok := a(s)
			other, ok2 := b(s)
			if !ok || !ok2 {
				return unclear
			}
			return truthOf(one == other)
		}
	}
	if a, b := left.asTest(), right.asTest(); a != nil && b != nil {
		return func(s *scope) truth {
			one, other := a(s), b(s)
			if one == unclear || other == unclear {
				return unclear
			}
			return truthOf(one == other)
		}
	}
	return compare(left, right, func(a, b int) bool { return a == b })
}

func compare(left, right node, holds func(a, b int) bool) func(*scope) truth {
	a, b := left.asNumber(), right.asNumber()
	if a == nil || b == nil {
		return nil
	}
	return func(s *scope) truth { return truthOf(holds(a(s), b(s))) }
}

func (l *loader) conditionalNode(expr *hclsyntax.ConditionalExpr, kind Kind) (node, bool) {
	var tests [3]func(*scope) truth
	for i, part := range []hclsyntax.Expression{expr.Condition, expr.TrueResult, expr.FalseResult} {
		n, ok := l.node(part, kind)
		if tests[i] = n.asTest(); !ok || tests[i] == nil {
			return node{}, false
		}
	}
	return node{test: func(s *scope) truth {
		switch tests[0](s) {
		case yes:
			return tests[1](s)
		case no:
			return tests[2](s)
		}
		return unclear
	}}, true
}

func (l *loader) callNode(call *hclsyntax.FunctionCallExpr, kind Kind) (node, bool) {
	if call.ExpandFinal {
		return node{}, false
	}
	if call.Name == "can" {
		return l.canNode(call, kind)
	}
	args := make([]node, len(call.Args))
	for i, arg := range call.Args {
		var ok bool
		if args[i], ok = l.node(arg, kind); !ok {
			return node{}, false
		}
	}
	n := node{}
	switch {
	case call.Name == "contains" && len(args) == 2:
		n.test = contains(args[0], args[1])
	case call.Name == "lookup" && len(args) == 3:
		n.text = lookup(args[0], args[1].asText(), args[2])
	case call.Name == "startswith" && len(args) == 2:
		n.test = textTests(args, strings.HasPrefix)
	case call.Name == "endswith" && len(args) == 2:
		n.test = textTests(args, strings.HasSuffix)
	case call.Name == "strcontains" && len(args) == 2:
		n.test = textTests(args, strings.Contains)
	case call.Name == "lower" && len(args) == 1:
		n.text = textChange(args[0].asText(), strings.ToLower)
	case call.Name == "upper" && len(args) == 1:
		n.text = textChange(args[0].asText(), strings.ToUpper)
	case call.Name == "glob" && len(args) == 2 && isText(args[0].known):
		if g, err := parseGlob(args[0].known.AsString()); err == nil {
			n.test = onText(args[1].asText(), func(text string) truth { return truthOf(g.match(text)) })
		}
	case call.Name == "cidrcontains" && len(args) == 2 && isText(args[0].known):
		if prefix, err := parseCIDR(args[0].known.AsString()); err == nil {
			n.test = onText(args[1].asText(), func(text string) truth {
				holds, err := cidrContains(prefix, text)
				if err != nil {
					return unclear
				}
				return truthOf(holds)
			})
		}
	}
	return n, n.test != nil || n.text != nil
}

// canNode compiles can(regex(…)), which is how a condition asks for a match.
func (l *loader) canNode(call *hclsyntax.FunctionCallExpr, kind Kind) (node, bool) {
	if len(call.Args) != 1 {
		return node{}, false
	}
	match, ok := call.Args[0].(*hclsyntax.FunctionCallExpr)
	if !ok || match.Name != "regex" || len(match.Args) != 2 || match.ExpandFinal {
		return node{}, false
	}
	pattern, ok := l.node(match.Args[0], kind)
	subject, ok2 := l.node(match.Args[1], kind)
	if !ok || !ok2 || !isText(pattern.known) {
		return node{}, false
	}
	re, err := regexp.Compile(pattern.known.AsString())
	if err != nil {
		return node{}, false
	}
	test := onText(subject.asText(), func(text string) truth { return truthOf(re.MatchString(text)) })
	return node{test: test}, test != nil
}

func isText(v cty.Value) bool { return v != cty.NilVal && v.Type() == cty.String }

func onText(text func(*scope) (string, bool), test func(string) truth) func(*scope) truth {
	if text == nil {
		return nil
	}
	return func(s *scope) truth {
		t, ok := text(s)
		if !ok {
			return unclear
		}
		return test(t)
	}
}

func textTests(args []node, holds func(text, part string) bool) func(*scope) truth {
	text, part := args[0].asText(), args[1].asText()
	if text == nil || part == nil {
		return nil
	}
	return func(s *scope) truth {
		a, ok := text(s)
		b, ok2 := part(s)
		if !ok || !ok2 {
			return unclear
		}
		return truthOf(holds(a, b))
	}
}

func textChange(text func(*scope) (string, bool), change func(string) string) func(*scope) (string, bool) {
	if text == nil {
		return nil
	}
	return func(s *scope) (string, bool) {
		t, ok := text(s)
		return cty.NormalizeString(change(t)), ok
	}
}

// lookup is the function of that name, for a default that is a text.
func lookup(pairs node, key func(*scope) (string, bool), otherwise node) func(*scope) (string, bool) {
	if pairs.pairs == nil || key == nil || !isText(otherwise.known) {
		return nil
	}
	absent := otherwise.known.AsString()
	return func(s *scope) (string, bool) {
		k, ok := key(s)
		if text, found := pairs.pairs(s)[k]; found {
			return text, ok
		}
		return absent, ok
	}
}

// contains is the function of that name, for a list that is known or an
// attribute. An element of another type than the value's is never equal.
func contains(list, value node) func(*scope) truth {
	if text := value.asText(); text != nil && list.texts != nil {
		return func(s *scope) truth {
			t, ok := text(s)
			all, err := list.texts(s)
			if !ok || err != nil {
				return unclear
			}
			return truthOf(slices.Contains(all, t))
		}
	}
	if list.known == cty.NilVal {
		return nil
	}
	if ty := list.known.Type(); !ty.IsTupleType() && !ty.IsListType() && !ty.IsSetType() {
		return nil
	}
	var texts []string
	var numbers []int
	for _, v := range list.known.AsValueSlice() {
		if number, ok := whole(v); ok {
			numbers = append(numbers, number)
		} else if !v.IsNull() && isText(v) {
			texts = append(texts, v.AsString())
		}
	}
	if value.number != nil {
		return func(s *scope) truth { return truthOf(slices.Contains(numbers, value.number(s))) }
	}
	return onText(value.text, func(text string) truth { return truthOf(slices.Contains(texts, text)) })
}
