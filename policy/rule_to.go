package policy

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// readTo reads the addresses of a rule.
func (l *loader) readTo(r *rule, attr *hclsyntax.Attribute) {
	before := len(l.diags)
	v, _ := l.check(attr.Expr, r.Kind)
	l.checkAddresses(attr.Expr, v, r.Kind)
	if l.diags[before:].HasErrors() {
		return
	}
	r.to = l.locals.newExpression(attr.Expr, r.Kind, v)
	if r.to.constant == cty.NilVal {
		return
	}
	addrs, err := parseAddresses(v)
	if err != nil || len(addrs) == 0 {
		l.fault(attr.Expr.Range(), "No address", `There is nothing to bind to: write to = ["127.0.0.1"].`)
	}
	r.addrs = addrs
}

// checkAddresses faults each element of a list that is not an address.
func (l *loader) checkAddresses(expr hclsyntax.Expression, v cty.Value, kind Kind) {
	if literal, ok := expr.(*hclsyntax.TupleConsExpr); ok {
		for _, element := range literal.Exprs {
			v, _ := element.Value(l.locals.unknownContext(kind))
			l.checkAddresses(element, v, kind)
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
			l.fault(expr.Range(), "Unsuitable address", "%q is no IP address. %s", v.AsString(), addressAdvice(v.AsString()))
		}
	case ty == cty.String:
	case (ty.IsTupleType() || ty.IsListType() || ty.IsSetType()) && v.IsKnown():
		for _, element := range v.AsValueSlice() {
			l.checkAddresses(&hclsyntax.ParenthesesExpr{Expression: expr, SrcRange: expr.Range()}, element, kind)
		}
	case (ty.IsListType() || ty.IsSetType()) && (ty.ElementType() == cty.String || ty.ElementType() == cty.DynamicPseudoType):
	default:
		l.fault(expr.Range(), "Unsuitable address", "to is a list of strings; this is %s.", describe(v))
	}
}

// addressAdvice says what to write instead of a string that is no address.
func addressAdvice(text string) string {
	address, _, isNetwork := strings.Cut(text, "/")
	bare := strings.Trim(text, " []")
	_, bareErr := netip.ParseAddr(bare)
	addrPort, portErr := netip.ParseAddrPort(text)
	switch {
	case text == "" || text == "*":
		return `Write "127.0.0.1" for this host alone, or "0.0.0.0" and "::" for every interface.`
	case strings.EqualFold(text, "localhost"):
		return `Write "127.0.0.1".`
	case strings.Contains(text, "%"):
		return "An address with a zone cannot be published on."
	case bareErr == nil:
		return fmt.Sprintf("Write %q.", bare)
	case portErr == nil:
		return fmt.Sprintf("The client chooses the port; write %q.", addrPort.Addr())
	case isNetwork:
		network := address
		if prefix, err := netip.ParsePrefix(text); err == nil {
			network = prefix.Masked().String()
		}
		return fmt.Sprintf("It is a network. The addresses in to are this machine's, where a port listens; they do not say who may connect. "+
			"For this machine's addresses in the network, write [for a in interface(\"eth0\") : a if cidrcontains(%q, a)].", network)
	case !strings.ContainsAny(text, ".:"):
		return fmt.Sprintf("For the addresses of a network interface, write interface(%q).", text)
	}
	return `Write the address in full, as in "127.0.0.1"; names are not looked up.`
}
