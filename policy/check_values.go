package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// equality faults a comparison whose sides are never equal.
func (c *checker) equality(node *hclsyntax.BinaryOpExpr) {
	left, diags := node.LHS.Value(c.scope())
	right, more := node.RHS.Value(c.scope())
	if diags.HasErrors() || more.HasErrors() || c.isFaulted(node.LHS) || c.isFaulted(node.RHS) {
		return
	}
	if left.IsNull() != right.IsNull() {
		expr := node.LHS
		if left.IsNull() {
			expr = node.RHS
		}
		if object, attr, ok := c.attributeOf(expr); ok {
			c.fault(node.SrcRange, "Comparison with null", "%s.%s is never null.%s", object, attr.Name, emptyOf(attr))
		}
		return
	}
	if left.IsNull() {
		return
	}
	if !comparable(left.Type(), right.Type()) {
		c.fault(node.SrcRange, "Comparison of different types", "%s and %s: they are never equal.%s",
			c.phrase(node.LHS, left), c.phrase(node.RHS, right), advice(left, right))
		return
	}
	c.possible(node.LHS, right, node.RHS.Range())
	c.possible(node.RHS, left, node.LHS.Range())
}

// order warns of a text that is compared as a number.
func (c *checker) order(expr hclsyntax.Expression) {
	object, attr, ok := c.attributeOf(expr)
	if !ok || c.quiet > 0 || attr.Type() != "string" {
		return
	}
	instead := fmt.Sprintf("Write try(tonumber(%s.%s), 0).", object, attr.Name)
	if attr.Name == "version" {
		instead = "As numbers, 1.9 is greater than 1.24, too. Use call.known."
	}
	c.warn(expr.Range(), "String compared as a number", "Where %s.%s is no number this fails, and the rule denies. %s", object, attr.Name, instead)
}

// comparable reports whether values of two types can be equal.
func comparable(a, b cty.Type) bool {
	return a.HasDynamicTypes() || b.HasDynamicTypes() || a.Equals(b)
}

func emptyOf(a Attribute) string {
	switch a.Type() {
	case "string":
		return ` Compare it with "".`
	case "list of string", "map of string":
		return " Compare its length with 0."
	}
	return ""
}

// phrase says of what type an operand is.
func (c *checker) phrase(expr hclsyntax.Expression, v cty.Value) string {
	if object, attr, ok := c.attributeOf(expr); ok {
		return fmt.Sprintf("%s.%s is %s", object, attr.Name, article(attr.Type()))
	}
	if v.IsKnown() && v.Type().IsPrimitiveType() {
		return fmt.Sprintf("%s is %s", show(v, false), article(v.Type().FriendlyName()))
	}
	return "this is " + article(v.Type().FriendlyName())
}

// advice says how two sides of different types could be compared.
func advice(left, right cty.Value) string {
	for range 2 {
		left, right = right, left
		switch lt, rt := left.Type(), right.Type(); {
		case lt == cty.String && rt.IsPrimitiveType() && right.IsKnown():
			return fmt.Sprintf(" Write %q.", show(right, false))
		case lt == cty.Number && rt == cty.String && right.IsKnown():
			if _, err := strconv.Atoi(right.AsString()); err == nil {
				return fmt.Sprintf(" Write %s.", right.AsString())
			}
		case lt == cty.Bool && rt == cty.String && right.IsKnown():
			if text := right.AsString(); text == "true" || text == "false" {
				return fmt.Sprintf(" Write %s.", text)
			}
		case lt.IsPrimitiveType() && (rt.IsTupleType() || rt.IsListType() || rt.IsSetType()):
			return " To look for one among many, write contains(list, value)."
		}
	}
	return ""
}

// possible faults a value that an attribute never has.
func (c *checker) possible(expr hclsyntax.Expression, v cty.Value, at hcl.Range) {
	object, attr, ok := c.attributeOf(expr)
	if !ok || v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return
	}
	text := v.AsString()
	if attr.odd != nil {
		if why := attr.odd(text); why != "" {
			c.fault(at, "Impossible value", "%s.%s is never %q: %s", object, attr.Name, text, why)
			return
		}
	}
	switch {
	case attr.Values != nil && !slices.Contains(attr.Values, text):
		c.fault(at, "Impossible value", "%s.%s is never %q.%s It is one of %s.", object, attr.Name, text, didYouMean(text, attr.Values), list(attr.Values))
	case attr.usual != nil && !slices.Contains(attr.Usual(c.names), text):
		if near := nearest(text, attr.Usual(c.names)); near != "" {
			c.warn(at, "Unusual value", "%s.%s is hardly ever %q. Did you mean %q?", object, attr.Name, text, near)
		}
	case strings.Contains(text, "*"):
		c.warn(at, "Pattern compared as a text", "A comparison knows no wildcards. Write glob(%q, %s.%s).", text, object, attr.Name)
	case object == "mount" && attr.Name == "source" && strings.HasPrefix(text, "/var/run/"):
		c.warn(at, "Unusual value", "mount.source is hardly ever %q: symbolic links in it are resolved, and /var/run is one. Write %q, or mount.socket for the Engine's socket.", text, strings.TrimPrefix(text, "/var"))
	}
}

// functionSynonyms are what other languages call the functions.
var functionSynonyms = map[string]string{
	"in": "contains", "includes": "contains", "has": "contains", "hasprefix": "startswith", "hassuffix": "endswith",
	"len": "length", "size": "length", "count": "length", "tolower": "lower", "toupper": "upper",
	"match": "regex", "matches": "regex", "regexp": "regex", "fnmatch": "glob", "wildcard": "glob",
	"cidr": "cidrcontains", "incidr": "cidrcontains", "inet": "cidrcontains", "iface": "interface", "any": "anytrue", "all": "alltrue",
	"get": "lookup", "default": "coalesce", "sprintf": "format", "printf": "format",
}

func functionNames() []string {
	names := make([]string, len(functions))
	for i, f := range functions {
		names[i] = f.Name
	}
	return names
}

// call checks the arguments of a function, as far as they are known.
func (c *checker) call(node *hclsyntax.FunctionCallExpr) {
	i := slices.IndexFunc(functions, func(f Function) bool { return f.Name == node.Name })
	if i < 0 {
		c.fault(node.NameRange, "Call to unknown function", "There is no function named %q.%s", node.Name, meant(node.Name, functionNames(), functionSynonyms))
		return
	}
	if len(node.Args) == 0 {
		return // HCL says what is missing
	}
	first, diags := node.Args[0].Value(c.scope())
	if diags.HasErrors() {
		return
	}
	if check := functions[i].check; check != nil && first.IsKnown() && !first.IsNull() && first.Type() == cty.String {
		if err := check(first.AsString()); err != nil {
			c.fault(node.Args[0].Range(), "Invalid function argument", "%s: %s.", node.Name, err)
		}
	}
	if node.Name == "contains" && len(node.Args) == 2 && !node.ExpandFinal {
		c.contains(node, first)
	}
}

// contains faults a list that never holds the value.
func (c *checker) contains(node *hclsyntax.FunctionCallExpr, set cty.Value) {
	value, diags := node.Args[1].Value(c.scope())
	ty := set.Type()
	if diags.HasErrors() || value.IsNull() || set.IsNull() {
		return
	}
	switch {
	case ty == cty.String:
		c.fault(node.Args[0].Range(), "Invalid function argument", "contains looks into lists. To look into a text, write strcontains(text, part).")
		return
	case ty.IsPrimitiveType():
		c.fault(node.Args[0].Range(), "Invalid function argument", "contains looks into lists, and this is %s. Write contains(list, value).", article(ty.FriendlyName()))
		return
	}
	if ty.IsListType() || ty.IsSetType() {
		if !comparable(ty.ElementType(), value.Type()) {
			c.fault(node.Range(), "Comparison of different types", "%s, and the list holds values of type %s: it never holds this one.",
				c.phrase(node.Args[1], value), ty.ElementType().FriendlyName())
			return
		}
	}
	if !ty.IsTupleType() {
		return
	}
	literal, _ := node.Args[0].(*hclsyntax.TupleConsExpr)
	for i := range ty.TupleElementTypes() {
		element := set
		at := node.Args[0].Range()
		if literal != nil {
			element, _ = literal.Exprs[i].Value(c.scope())
			at = literal.Exprs[i].Range()
		} else if set.IsKnown() {
			element = set.Index(cty.NumberIntVal(int64(i)))
		} else {
			return
		}
		if !comparable(element.Type(), value.Type()) {
			c.fault(at, "Comparison of different types", "%s and %s: they are never equal.%s",
				c.phrase(node.Args[1], value), c.phrase(nil, element), advice(value, element))
			continue
		}
		c.possible(node.Args[1], element, at)
	}
}

// readTo checks the addresses of a rule.
func (l *loader) readTo(r *rule, attr *hclsyntax.Attribute) {
	before := len(l.diags)
	v, _ := l.check(attr.Expr, r.Kind)
	l.checkAddresses(attr.Expr, v, l.unknownContext(r.Kind))
	if l.diags[before:].HasErrors() {
		return
	}
	r.to = l.settle(attr.Expr, r.Kind, v)
	if r.to.known == cty.NilVal {
		return
	}
	addrs, err := addressesOf(v)
	if err != nil || len(addrs) == 0 {
		l.fault(attr.Expr.Range(), "No address", `There is nothing to bind to: write to = ["127.0.0.1"].`)
	}
	r.addrs = addrs
}

// checkAddresses faults what is no address, element by element where they
// are written out.
func (l *loader) checkAddresses(expr hclsyntax.Expression, v cty.Value, ctx *hcl.EvalContext) {
	if literal, ok := expr.(*hclsyntax.TupleConsExpr); ok {
		for _, element := range literal.Exprs {
			v, _ := element.Value(ctx)
			l.checkAddresses(element, v, ctx)
		}
		return
	}
	ty := v.Type()
	switch {
	case ty == cty.DynamicPseudoType && !v.IsKnown():
	case v.IsNull():
		l.fault(expr.Range(), "Unsuitable address", `null is no address; write "127.0.0.1".`)
	case ty == cty.String && v.IsKnown():
		if _, err := parseAddress(v.AsString()); err != nil {
			l.fault(expr.Range(), "Unsuitable address", "%s", addressAdvice(v.AsString()))
		}
	case ty == cty.String:
	case (ty.IsTupleType() || ty.IsListType() || ty.IsSetType()) && v.IsKnown():
		for _, element := range v.AsValueSlice() {
			l.checkAddresses(parenthesized{expr}, element, ctx)
		}
	case (ty.IsListType() || ty.IsSetType()) && (ty.ElementType() == cty.String || ty.ElementType() == cty.DynamicPseudoType):
	default:
		l.fault(expr.Range(), "Unsuitable address", "to holds addresses as texts; this is %s.", describe(v))
	}
}

// parenthesized hides what kind of expression it holds.
type parenthesized struct{ hclsyntax.Expression }

// addressAdvice says what is wrong with a text that should be an address, and
// what to write instead.
func addressAdvice(text string) string {
	const instead = `%q is no IP address. %s`
	trimmed := strings.Trim(text, " []")
	host, _, hasPort := strings.Cut(text, ":")
	switch {
	case text == "":
		return `"" is no address. Write "127.0.0.1" for this host alone, or "0.0.0.0" and "::" for every interface.`
	case strings.EqualFold(text, "localhost"):
		return fmt.Sprintf(instead, text, `Write "127.0.0.1".`)
	case text == "*" || text == "any" || text == "all":
		return fmt.Sprintf(instead, text, `For every interface, write "0.0.0.0" and "::".`)
	case isAddress(trimmed):
		return fmt.Sprintf(instead, text, fmt.Sprintf("Write %q.", trimmed))
	case strings.Contains(text, "%"):
		return fmt.Sprintf("An Engine cannot publish on %q: it takes no zone.", text)
	case isAddress(before(text, "/")):
		network := before(text, "/")
		if prefix, err := netip.ParsePrefix(text); err == nil {
			network = prefix.Masked().String()
		}
		return fmt.Sprintf("%q is a network. The addresses in to are this machine's, where a port listens; they do not say who may connect. "+
			"For this machine's addresses in the network, write [for a in interface(\"eth0\") : a if cidrcontains(%q, a)].", text, network)
	case hasPort && isAddress(host):
		return fmt.Sprintf(instead, text, fmt.Sprintf("The client says the port; write %q.", host))
	case strings.Trim(text, "0123456789.xabcdefABCDEF") == "" && strings.ContainsAny(text, "0123456789"):
		return fmt.Sprintf(instead, text, `Write all four numbers, as in "127.0.0.1".`)
	case !strings.ContainsAny(text, ". /:"):
		return fmt.Sprintf(instead, text, fmt.Sprintf("If it is a network interface, write interface(%q).", text))
	}
	return fmt.Sprintf(instead, text, "Names are not looked up: write the address itself.")
}

func isAddress(text string) bool {
	addr, err := netip.ParseAddr(text)
	return err == nil && addr.Zone() == ""
}

func before(text, separator string) string {
	head, _, _ := strings.Cut(text, separator)
	return head
}
