package policy

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// expression is an HCL expression of a rule or of a local, with what it takes
// to evaluate it on a call.
type expression struct {
	expr     hclsyntax.Expression
	constant cty.Value // cty.NilVal if the value depends on the call or on the host

	objects  []Object // the objects that it refers to, each with the attributes that it refers to
	locals   []string // the locals that it refers to
	asksHost bool     // it calls interface
}

// local is one name of a locals block.
type local struct {
	expression
	checked cty.Value // its value while policies are checked: of its type, but unknown if it is not constant
}

// locals are the locals of all files.
type locals map[string]*local

// newExpression returns an expression whose value is v while policies are
// checked. Its kind is that of its rule, "" for a local.
func (ls locals) newExpression(expr hclsyntax.Expression, kind Kind, v cty.Value) *expression {
	if !ls.isLive(expr) && v.IsWhollyKnown() {
		return &expression{expr: expr, constant: v}
	}
	live := &expression{expr: expr, asksHost: calls(expr, interfaceFunction)}
	for _, object := range Schema.objects(kind) {
		object.Attributes = slices.DeleteFunc(slices.Clone(object.Attributes), func(a Attribute) bool {
			return !mentions(expr, object.Name, a.Name)
		})
		if len(object.Attributes) > 0 {
			live.objects = append(live.objects, object)
		}
	}
	for _, t := range expr.Variables() {
		if name := localName(t); name != "" && !slices.Contains(live.locals, name) {
			live.locals = append(live.locals, name)
		}
	}
	return live
}

// isLive reports whether the value of an expression depends on the call or on
// the host.
func (ls locals) isLive(expr hclsyntax.Expression) bool {
	return calls(expr, interfaceFunction) || slices.ContainsFunc(expr.Variables(), func(t hcl.Traversal) bool {
		local := ls[localName(t)]
		return t.RootName() != "local" || local != nil && local.constant == cty.NilVal
	})
}

// unknownContext is what an expression of a kind sees before a call: variables
// of the right types, without their values.
func (ls locals) unknownContext(kind Kind) *hcl.EvalContext {
	ctx := staticContext.NewChild()
	ctx.Variables = map[string]cty.Value{}
	for _, object := range Schema.objects(kind) {
		ctx.Variables[object.Name] = object.unknown()
	}
	values := map[string]cty.Value{}
	for name, local := range ls {
		values[name] = local.checked
	}
	ctx.Variables["local"] = cty.ObjectVal(values)
	return ctx
}
