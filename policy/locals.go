package policy

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// isLive reports whether an expression's value depends on the call or on the
// host.
func (l *loader) isLive(expr hclsyntax.Expression) bool {
	for _, t := range expr.Variables() {
		if t.RootName() != "local" || l.isLiveLocal(t) {
			return true
		}
	}
	return calls(expr, interfaceFunction)
}

// isLiveLocal reports whether a traversal leads to a local whose value depends
// on the call or on the host.
func (l *loader) isLiveLocal(t hcl.Traversal) bool {
	if t.RootName() != "local" || len(t) < 2 {
		return false
	}
	name, ok := stepName(t[1])
	return ok && l.locals[name] != nil && l.locals[name].known == cty.NilVal
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

// settle returns an expression of a rule with its value, or with what it takes
// to evaluate it on a call. A kind of "" is a local's.
func (l *loader) settle(expr hclsyntax.Expression, kind Kind, v cty.Value) *value {
	if !l.isLive(expr) && v.IsWhollyKnown() {
		return &value{expr: expr, known: v}
	}
	live := &value{expr: expr, asksHost: calls(expr, interfaceFunction)}
	for _, object := range Schema.objects(kind) {
		if seen := object.seenBy(expr); len(seen.Attributes) > 0 {
			live.objects = append(live.objects, seen)
		}
	}
	for _, t := range expr.Variables() {
		if t.RootName() != "local" || len(t) < 2 {
			continue
		}
		if name, ok := stepName(t[1]); ok && !slices.Contains(live.locals, name) {
			live.locals = append(live.locals, name)
		}
	}
	return live
}

// readLocals notes the locals of all files. The last local of a name counts.
func (l *loader) readLocals(bodies []*hclsyntax.Body) {
	for _, builtin := range []bool{true, false} {
		for i, f := range l.files {
			if bodies[i] != nil && f.Builtin == builtin {
				l.readLocalsOf(f, bodies[i])
			}
		}
	}
	for _, f := range l.files {
		if f.Local != "" {
			l.setLocal(f)
		}
	}
}

// setLocal gives a local of the files another value.
func (l *loader) setLocal(f *source) {
	all := hcl.Range{Filename: f.id, Start: start, End: hcl.Pos{Line: 1, Column: 1 + len(f.Src), Byte: len(f.Src)}}
	replaced := l.locals[f.Local]
	switch {
	case replaced == nil && l.partial:
		return // the file that defines it could not be read
	case replaced == nil:
		l.fault(all, "Unknown local", "No policy file has a local named %q.%s", f.Local, didYouMean(f.Local, sortedKeys(l.locals)))
		return
	}
	if diag := withinBounds(f); diag != nil {
		l.diags = append(l.diags, diag)
		return
	}
	expr, diags := hclsyntax.ParseExpression(f.Src, f.id, start)
	switch {
	case len(f.Src) > 0 && strings.ContainsRune(`"[{`, rune(f.Src[0])):
		if diags.HasErrors() {
			l.diags = append(l.diags, diags...)
			return
		}
	case !isPlain(expr, diags) || isQuoted(replaced.expr):
		expr = &hclsyntax.LiteralValueExpr{Val: cty.StringVal(string(f.Src)), SrcRange: all}
	}
	l.locals[f.Local] = &local{value: value{expr: expr}, checked: cty.DynamicVal}
}

// isPlain reports whether an expression is true, false or a number.
func isPlain(expr hclsyntax.Expression, diags hcl.Diagnostics) bool {
	literal, ok := expr.(*hclsyntax.LiteralValueExpr)
	return ok && !diags.HasErrors() && (literal.Val.Type() == cty.Bool || literal.Val.Type() == cty.Number)
}

// isQuoted reports whether an expression is a text in quotes.
func isQuoted(expr hclsyntax.Expression) bool {
	switch expr.(type) {
	case *hclsyntax.TemplateExpr, *hclsyntax.TemplateWrapExpr:
		return true
	}
	literal, ok := expr.(*hclsyntax.LiteralValueExpr) // given by an earlier value
	return ok && literal.Val.Type() == cty.String
}

// readLocalsOf notes the locals of one file.
func (l *loader) readLocalsOf(f *source, body *hclsyntax.Body) {
	for _, block := range body.Blocks {
		if block.Type != "locals" {
			continue
		}
		if len(block.Labels) > 0 {
			l.fault(block.LabelRanges[0], "Locals with a name", "Write locals { … }.")
		}
		for _, nested := range block.Body.Blocks {
			l.fault(nested.TypeRange, "Unsupported block", "A local is an attribute: write %s = …", nested.Type)
		}
		for _, attr := range sorted(block.Body.Attributes) {
			l.once("local "+attr.Name+" of "+f.id, attr.NameRange, "Duplicate local")
			l.locals[attr.Name] = &local{value: value{expr: attr.Expr}, checked: cty.DynamicVal}
		}
	}
}

// resolveLocals checks every local after those that it refers to.
func (l *loader) resolveLocals() {
	const visiting, done = 1, 2
	state := map[string]int{}
	var visit func(name string)
	visit = func(name string) {
		local := l.locals[name]
		state[name] = visiting
		cyclic := false
		for _, t := range local.expr.Variables() {
			if t.RootName() != "local" || len(t) < 2 {
				continue
			}
			other, _ := stepName(t[1])
			switch {
			case l.locals[other] == nil || state[other] == done:
			case state[other] == visiting:
				l.fault(t.SourceRange(), "Local refers to itself", "local.%s needs local.%s to be known first.", name, other)
				cyclic = true
			default:
				visit(other)
			}
		}
		state[name] = done
		if cyclic {
			return
		}
		if v, ok := l.check(local.expr, ""); ok {
			local.value, local.checked = *l.settle(local.expr, "", v), v
		}
	}
	for _, name := range sortedKeys(l.locals) {
		if state[name] == 0 {
			visit(name)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
