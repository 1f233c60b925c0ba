package policy

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// check evaluates an expression with values that are unknown and of the
// right types, as a rule of the kind sees them, and faults every mistake in
// it. A kind of "" sees no claim. It gives the value, and whether there was
// no mistake.
func (l *loader) check(expr hclsyntax.Expression, kind Kind) (cty.Value, bool) {
	before := len(l.diags)
	c := &checker{loader: l, kind: kind, scopes: []*hcl.EvalContext{l.unknownContext(kind)}}
	c.guarded = calls(expr, "keys")
	hclsyntax.Walk(expr, c)
	c.evaluate(expr)
	v, _ := expr.Value(c.scopes[0])
	return v, !l.diags[before:].HasErrors()
}

// unknownContext is what a rule of a kind sees, without the values.
func (l *loader) unknownContext(kind Kind) *hcl.EvalContext {
	ctx := staticContext.NewChild()
	ctx.Variables = map[string]cty.Value{}
	for _, object := range Schema.objects(kind) {
		ctx.Variables[object.Name] = object.unknown()
	}
	locals := map[string]cty.Value{}
	for name, local := range l.locals {
		locals[name] = local.checked
	}
	ctx.Variables["local"] = cty.ObjectVal(locals)
	return ctx
}

// checker walks one expression. It faults what HCL's own evaluation would
// let pass, or would see only on a live call.
type checker struct {
	*loader
	kind    Kind
	scopes  []*hcl.EvalContext // the innermost for expression's last
	bound   []map[string]struct{}
	fors    []*hclsyntax.ForExpr
	quiet   int         // calls of can and try around the node: what fails there is meant to
	faulted []hcl.Range // what needs no further diagnostic
	guarded bool        // the expression looks at a map's keys itself
}

func (c *checker) scope() *hcl.EvalContext { return c.scopes[len(c.scopes)-1] }

// fault adds a mistake, and keeps HCL from adding another one at its place.
func (c *checker) fault(at hcl.Range, summary, format string, args ...any) {
	c.faulted = append(c.faulted, at)
	c.loader.fault(at, summary, format, args...)
}

// Enter implements hclsyntax.Walker.
func (c *checker) Enter(node hclsyntax.Node) hcl.Diagnostics {
	switch node := node.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		c.traversal(node)
	case *hclsyntax.IndexExpr:
		c.mapElement(node.Collection, node.SrcRange)
	case *hclsyntax.FunctionCallExpr:
		if isCatching(node) {
			c.quiet++
		}
	case *hclsyntax.ForExpr:
		c.fors = append(c.fors, node)
	case hclsyntax.ChildScope:
		c.scopes = append(c.scopes, c.forScope(c.fors[len(c.fors)-1]))
		c.bound = append(c.bound, node.LocalNames)
	}
	return nil
}

// Exit implements hclsyntax.Walker. What is below the node was checked, so
// that a mistake there is told there, and once.
func (c *checker) Exit(node hclsyntax.Node) hcl.Diagnostics {
	switch node := node.(type) {
	case *hclsyntax.BinaryOpExpr:
		switch node.Op {
		case hclsyntax.OpEqual, hclsyntax.OpNotEqual:
			c.equality(node)
		case hclsyntax.OpLessThan, hclsyntax.OpLessThanOrEqual, hclsyntax.OpGreaterThan, hclsyntax.OpGreaterThanOrEqual:
			c.order(node.LHS)
			c.order(node.RHS)
		case hclsyntax.OpLogicalAnd, hclsyntax.OpLogicalOr:
			c.exclusive(node)
			for _, side := range []hclsyntax.Expression{node.LHS, node.RHS} {
				c.condition(side)
				if !isLogical(side) { // whose own sides were evaluated
					c.evaluate(side)
				}
			}
		}
	case *hclsyntax.UnaryOpExpr:
		if node.Op == hclsyntax.OpLogicalNot {
			c.condition(node.Val)
		}
	case *hclsyntax.ConditionalExpr:
		c.condition(node.Condition)
		c.evaluate(node.TrueResult)
		c.evaluate(node.FalseResult)
	case *hclsyntax.FunctionCallExpr:
		if isCatching(node) {
			c.quiet--
		}
		c.call(node)
	case *hclsyntax.ForExpr:
		c.fors = c.fors[:len(c.fors)-1]
	case hclsyntax.ChildScope:
		c.evaluate(node.Expr)
		c.scopes = c.scopes[:len(c.scopes)-1]
		c.bound = c.bound[:len(c.bound)-1]
	}
	return nil
}

func isCatching(call *hclsyntax.FunctionCallExpr) bool {
	return call.Name == "can" || call.Name == "try"
}

func isLogical(expr hclsyntax.Expression) bool {
	binary, ok := expr.(*hclsyntax.BinaryOpExpr)
	return ok && (binary.Op == hclsyntax.OpLogicalAnd || binary.Op == hclsyntax.OpLogicalOr)
}

// evaluate faults what HCL finds wrong with an expression. HCL leaves
// operands, branches and loops out that cannot matter, so they are evaluated
// on their own as well.
func (c *checker) evaluate(expr hclsyntax.Expression) {
	if c.quiet > 0 {
		return
	}
	_, diags := expr.Value(c.scope())
	for _, diag := range diags {
		at := subject(diag)
		if !slices.ContainsFunc(c.faulted, func(r hcl.Range) bool { return within(at, r) }) {
			c.diags = append(c.diags, diag)
		}
	}
}

// isFaulted reports whether there is a mistake in an expression.
func (c *checker) isFaulted(expr hclsyntax.Expression) bool {
	return slices.ContainsFunc(c.faulted, func(r hcl.Range) bool { return within(r, expr.Range()) })
}

// within reports whether a range lies in another one of the same file.
func within(inner, outer hcl.Range) bool {
	return outer.Start.Byte <= inner.Start.Byte && inner.End.Byte <= outer.End.Byte
}

// forScope binds the names of a for expression to unknown values of the
// types that they will have.
func (c *checker) forScope(f *hclsyntax.ForExpr) *hcl.EvalContext {
	coll, _ := f.CollExpr.Value(c.scope())
	key, element := cty.DynamicPseudoType, cty.DynamicPseudoType
	switch ty := coll.Type(); {
	case ty.IsMapType():
		key, element = cty.String, ty.ElementType()
	case ty.IsListType():
		key, element = cty.Number, ty.ElementType()
	case ty.IsSetType():
		key, element = ty.ElementType(), ty.ElementType()
	case ty.IsTupleType():
		key = cty.Number
		if types := ty.TupleElementTypes(); len(types) > 0 && !slices.ContainsFunc(types, func(t cty.Type) bool { return t != types[0] }) {
			element = types[0]
		}
	case ty.IsObjectType():
		key = cty.String
	}
	ctx := c.scope().NewChild()
	ctx.Variables = map[string]cty.Value{f.ValVar: unknown(element)}
	if f.KeyVar != "" {
		ctx.Variables[f.KeyVar] = unknown(key)
	}
	return ctx
}

func unknown(ty cty.Type) cty.Value {
	if ty == cty.DynamicPseudoType {
		return cty.DynamicVal
	}
	return cty.UnknownVal(ty).RefineNotNull()
}

// traversal checks that what an expression names exists.
func (c *checker) traversal(expr *hclsyntax.ScopeTraversalExpr) {
	t := expr.Traversal
	root := t.RootName()
	for _, names := range c.bound {
		if _, ok := names[root]; ok {
			return
		}
	}
	at := t[0].SourceRange()
	if root == "local" {
		c.localName(t)
		return
	}
	object, ok := Schema.object(c.kind, root)
	if !ok {
		c.fault(at, "Unknown variable", "%s", c.unknownVariable(root))
		return
	}
	if len(t) < 2 {
		return
	}
	name, ok := stepName(t[1])
	if !ok {
		return
	}
	if _, ok := object.attribute(name); !ok {
		c.fault(hcl.RangeBetween(at, t[1].SourceRange()), "Unsupported attribute",
			"This object does not have an attribute named %q.%s", name, c.meantAttribute(object, name))
		return
	}
	if len(t) > 2 {
		c.mapElement(&hclsyntax.ScopeTraversalExpr{Traversal: t[:2]}, expr.SrcRange)
	}
}

// stepName is the name that a step leads to, whichever way it is written.
func stepName(step hcl.Traverser) (string, bool) {
	switch step := step.(type) {
	case hcl.TraverseAttr:
		return step.Name, true
	case hcl.TraverseIndex:
		if step.Key.Type() == cty.String {
			return step.Key.AsString(), true
		}
	}
	return "", false
}

func (c *checker) localName(t hcl.Traversal) {
	names := sortedKeys(c.locals)
	if len(t) < 2 {
		c.fault(t.SourceRange(), "Local without a name", "Write local.name, for one of: %s.", list(names))
		return
	}
	attr, ok := t[1].(hcl.TraverseAttr)
	at := hcl.RangeBetween(t[0].SourceRange(), t[1].SourceRange())
	switch {
	case !ok:
		c.fault(at, "Local without a name", "Write local.name; a local cannot be looked up otherwise.")
	case c.locals[attr.Name] == nil && c.partial:
		c.faulted = append(c.faulted, at) // it may stand where the mistake is
	case c.locals[attr.Name] == nil && len(names) == 0:
		c.fault(at, "Unknown local", "There are no locals: add locals { %s = … }.", attr.Name)
	case c.locals[attr.Name] == nil:
		c.fault(at, "Unknown local", "There is no local named %q.%s", attr.Name, didYouMean(attr.Name, names))
	}
}

// unknownVariable says what to do about a name that means nothing.
func (c *checker) unknownVariable(name string) string {
	var seen []string
	for _, o := range Schema.objects(c.kind) {
		seen = append(seen, o.Name)
	}
	if _, ok := Schema.Kind(Kind(name)); ok {
		who := fmt.Sprintf("A rule of kind %s", c.kind)
		if c.kind == "" {
			who = "A value that is no rule's own"
		}
		return fmt.Sprintf("%s does not see %q. It sees %s.", who, name, list(seen))
	}
	for _, o := range Schema.objects(c.kind) {
		if _, ok := o.attribute(name); ok {
			return fmt.Sprintf("There is no variable named %q. Did you mean %s.%s?", name, o.Name, name)
		}
	}
	if name == "locals" {
		return `There is no variable named "locals". Write local.name for a name in locals { … }.`
	}
	if guess := didYouMean(name, seen); guess != "" {
		return fmt.Sprintf("There is no variable named %q.%s", name, guess)
	}
	return fmt.Sprintf("There is no variable named %q. If it is a text, write it in quotes: %q.", name, name)
}

// meantAttribute guesses which attribute was meant.
func (c *checker) meantAttribute(object Object, name string) string {
	synonyms := map[string]string{}
	names := make([]string, len(object.Attributes))
	for i, a := range object.Attributes {
		names[i] = a.Name
		for _, other := range a.also {
			synonyms[other] = a.Name
		}
	}
	if guess := meant(name, names, synonyms); guess != "" {
		return guess
	}
	for _, o := range Schema.objects(c.kind) {
		if _, ok := o.attribute(name); ok {
			return fmt.Sprintf(" Did you mean %s.%s?", o.Name, name)
		}
	}
	return fmt.Sprintf(" It has %s.", list(names))
}

// mapElement warns of an element of the call's labels or options that is
// taken as if it were always there.
func (c *checker) mapElement(collection hclsyntax.Expression, at hcl.Range) {
	object, attr, ok := c.attributeOf(collection)
	if !ok || c.quiet > 0 || c.guarded {
		return
	}
	if attr.Type() == "list of string" {
		c.warn(at, "Element may be missing",
			"Where there is no such element this fails, and the rule denies. To look for one among all, write contains(%s.%s, \"…\").", object, attr.Name)
	}
	if attr.Type() != "map of string" {
		return
	}
	c.warn(at, "Element may be missing",
		"Where there is no such element this fails, and the rule denies. Write lookup(%s.%s, \"…\", \"\").", object, attr.Name)
}

// attributeOf finds the attribute that an expression names.
func (c *checker) attributeOf(expr hclsyntax.Expression) (object string, attr Attribute, ok bool) {
	for {
		parens, is := expr.(*hclsyntax.ParenthesesExpr)
		if !is {
			break
		}
		expr = parens.Expression
	}
	t, is := expr.(*hclsyntax.ScopeTraversalExpr)
	if !is || len(t.Traversal) != 2 {
		return "", Attribute{}, false
	}
	root := t.Traversal.RootName()
	for _, names := range c.bound {
		if _, ok := names[root]; ok {
			return "", Attribute{}, false
		}
	}
	o, is := Schema.object(c.kind, root)
	if !is {
		return "", Attribute{}, false
	}
	name, _ := stepName(t.Traversal[1])
	attr, ok = o.attribute(name)
	return root, attr, ok
}
