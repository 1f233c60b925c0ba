package policy

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// checker walks one expression. It finds mistakes that HCL's own evaluation
// accepts, or finds only on a live call.
type checker struct {
	*loader
	kind         Kind                  // of the expression's rule, "" for a local or a setting
	contexts     []*hcl.EvalContext    // that of the innermost for expression last
	forVariables []map[string]struct{} // names that for expressions define
	fors         []*hclsyntax.ForExpr
	catching     int         // calls of can and try around the node, which may fail
	faulted      []hcl.Range // where a mistake was found
	readsKeys    bool        // the expression looks at a map's keys before it takes an element
}

func (c *checker) context() *hcl.EvalContext { return c.contexts[len(c.contexts)-1] }

// fault adds a mistake, and keeps HCL from adding another mistake at its place.
func (c *checker) fault(at hcl.Range, summary, format string, args ...any) {
	c.faulted = append(c.faulted, at)
	c.loader.fault(at, summary, format, args...)
}

// isFaulted reports whether there is a mistake in an expression.
func (c *checker) isFaulted(expr hclsyntax.Expression) bool {
	return slices.ContainsFunc(c.faulted, func(r hcl.Range) bool { return within(r, expr.Range()) })
}

// within reports whether a range lies in another range of the same file.
func within(inner, outer hcl.Range) bool {
	return outer.Start.Byte <= inner.Start.Byte && inner.End.Byte <= outer.End.Byte
}

// evaluate adds the mistakes that HCL finds in an expression. HCL skips
// operands, branches and loops that cannot change the result, so callers
// evaluate these on their own as well.
func (c *checker) evaluate(expr hclsyntax.Expression) {
	if c.catching > 0 {
		return
	}
	_, diags := expr.Value(c.context())
	for _, diag := range diags {
		at := subject(diag)
		if !slices.ContainsFunc(c.faulted, func(r hcl.Range) bool { return within(at, r) }) {
			c.diags = append(c.diags, diag)
		}
	}
}

// isForVariable reports whether a for expression around the node defines a
// name.
func (c *checker) isForVariable(name string) bool {
	return slices.ContainsFunc(c.forVariables, func(names map[string]struct{}) bool { _, ok := names[name]; return ok })
}

// attributeOf returns the attribute to which an expression refers.
func (c *checker) attributeOf(expr hclsyntax.Expression) (object string, attr Attribute, ok bool) {
	for {
		parens, is := expr.(*hclsyntax.ParenthesesExpr)
		if !is {
			break
		}
		expr = parens.Expression
	}
	t, is := expr.(*hclsyntax.ScopeTraversalExpr)
	if !is || len(t.Traversal) != 2 || c.isForVariable(t.Traversal.RootName()) {
		return "", Attribute{}, false
	}
	o, _ := Schema.object(c.kind, t.Traversal.RootName())
	name, _ := stepName(t.Traversal[1])
	attr, ok = o.attribute(name)
	return o.Name, attr, ok
}

// forContext defines the variables of a for expression, with unknown values of
// the right types.
func (c *checker) forContext(f *hclsyntax.ForExpr) *hcl.EvalContext {
	collection, _ := f.CollExpr.Value(c.context())
	key, element := cty.DynamicPseudoType, cty.DynamicPseudoType
	switch ty := collection.Type(); {
	case ty.IsMapType():
		key, element = cty.String, ty.ElementType()
	case ty.IsListType():
		key, element = cty.Number, ty.ElementType()
	case ty.IsSetType():
		key, element = ty.ElementType(), ty.ElementType()
	case ty.IsTupleType():
		key = cty.Number
		if types := ty.TupleElementTypes(); len(types) > 0 && !slices.ContainsFunc(types, func(t cty.Type) bool { return !t.Equals(types[0]) }) {
			element = types[0]
		}
	case ty.IsObjectType():
		key = cty.String
	}
	ctx := c.context().NewChild()
	ctx.Variables = map[string]cty.Value{f.ValVar: unknown(element)}
	if f.KeyVar != "" {
		ctx.Variables[f.KeyVar] = unknown(key)
	}
	return ctx
}

// unknown is an unknown value of a type.
func unknown(ty cty.Type) cty.Value {
	if ty == cty.DynamicPseudoType {
		return cty.DynamicVal
	}
	return cty.UnknownVal(ty).RefineNotNull()
}
