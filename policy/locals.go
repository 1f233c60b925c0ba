package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// readLocals reads the locals of all files. A later file's local replaces an
// earlier file's local, and any file's local replaces the built-in policy's.
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
	l.checkLocals()
}

// readLocalsOf reads the locals of one file.
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
		for _, attr := range inOrder(block.Body.Attributes) {
			l.once("local "+attr.Name+" in "+f.id, attr.NameRange, "Duplicate local")
			l.defineLocal(attr.Name, attr.Expr)
		}
	}
}

// defineLocal defines a local whose expression is not checked yet.
func (l *loader) defineLocal(name string, expr hclsyntax.Expression) {
	l.locals[name] = &local{expression: expression{expr: expr}, checked: cty.DynamicVal}
}

// setLocal gives a local that the files define another value.
func (l *loader) setLocal(f *source) {
	whole := hcl.Range{Filename: f.id, Start: start, End: hcl.Pos{Line: 1, Column: 1 + len(f.Src), Byte: len(f.Src)}}
	replaced := l.locals[f.Local]
	switch {
	case replaced == nil && l.incomplete:
		return
	case replaced == nil:
		l.fault(whole, "Unknown local", "No policy file has a local named %q.%s", f.Local, didYouMean(f.Local, slices.Sorted(maps.Keys(l.locals))))
		return
	}
	if diag := checkLimits(f); diag != nil {
		l.diags = append(l.diags, diag)
		return
	}
	expr, diags := hclsyntax.ParseExpression(f.Src, f.id, start)
	switch {
	case strings.HasPrefix(string(f.Src), `"`) || strings.HasPrefix(string(f.Src), "[") || strings.HasPrefix(string(f.Src), "{"):
		l.diags = append(l.diags, diags...)
		if diags.HasErrors() {
			return
		}
	case diags.HasErrors() || !isBoolOrNumber(expr) || isQuoted(replaced.expr):
		expr = &hclsyntax.LiteralValueExpr{Val: cty.StringVal(string(f.Src)), SrcRange: whole}
	}
	l.defineLocal(f.Local, expr)
}

// isBoolOrNumber reports whether an expression is just true, false or a number.
func isBoolOrNumber(expr hclsyntax.Expression) bool {
	literal, ok := expr.(*hclsyntax.LiteralValueExpr)
	return ok && (literal.Val.Type() == cty.Bool || literal.Val.Type() == cty.Number)
}

// isQuoted reports whether an expression is a string in quotes, or a string
// that setLocal put in the place of one.
func isQuoted(expr hclsyntax.Expression) bool {
	switch expr := expr.(type) {
	case *hclsyntax.TemplateExpr, *hclsyntax.TemplateWrapExpr:
		return true
	case *hclsyntax.LiteralValueExpr:
		return expr.Val.Type() == cty.String
	}
	return false
}

// checkLocals checks each local after the locals that it refers to.
func (l *loader) checkLocals() {
	const visiting, done = 1, 2
	state := map[string]int{}
	var visit func(name string)
	visit = func(name string) {
		local := l.locals[name]
		state[name] = visiting
		cyclic := false
		for _, t := range local.expr.Variables() {
			other := localName(t)
			switch {
			case l.locals[other] == nil || state[other] == done:
			case state[other] == visiting:
				l.fault(t.SourceRange(), "Local refers to itself", "local.%[1]s refers to local.%[2]s, whose value depends on local.%[1]s.", name, other)
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
			local.expression, local.checked = *l.locals.newExpression(local.expr, "", v), v
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.locals)) {
		if state[name] == 0 {
			visit(name)
		}
	}
}
