package main

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/safesock/safesock/policy"
)

// subnets are the addresses of this machine with their networks, by interface.
type subnets map[string][]netip.Prefix

// ownSubnets returns the addresses of this machine, nil if they are unknown.
func ownSubnets() subnets {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil
	}
	own := subnets{}
	for _, each := range interfaces {
		addresses, err := each.Addrs()
		if err != nil {
			return nil
		}
		for _, address := range addresses {
			if prefix, err := netip.ParsePrefix(address.String()); err == nil {
				own[each.Name] = append(own[each.Name], prefix)
			}
		}
	}
	return own
}

// foreign says why a port cannot be published on an address. It returns "" if the
// port can be, or if the machine's addresses are unknown.
func (s subnets) foreign(address netip.Addr) string {
	if s == nil || address.IsLoopback() || address.IsUnspecified() {
		return ""
	}
	name, bits := "eth0", 24 // the usual size of a network
	if address.Is6() {
		bits = 64
	}
	network := netip.PrefixFrom(address, bits).Masked()
	for _, each := range slices.Sorted(maps.Keys(s)) {
		for _, prefix := range s[each] {
			switch {
			case prefix.Addr() == address:
				return ""
			case prefix.Contains(address):
				name, network = each, prefix.Masked()
			}
		}
	}
	return fmt.Sprintf("%s is no address of this machine. The addresses in to are this machine's, where a port listens; they do not say who may connect. "+
		"For the addresses of an interface, write interface(%q); for those in a network, [for a in interface(%q) : a if cidrcontains(%q, a)]", address, name, name, network)
}

// foreignIn returns warnings about addresses in the policies' rules that are not this
// machine's. The policies must have no mistakes.
func foreignIn(files []policy.File, own subnets) (warnings []string) {
	written := writtenAddresses{locals: map[string]hclsyntax.Expression{}}
	parsed := make([]*hcl.File, len(files))
	var to []hclsyntax.Expression
	for i, file := range files {
		parsed[i], _ = hclsyntax.ParseConfig(file.Src, file.Name, hcl.InitialPos)
		for _, block := range parsed[i].Body.(*hclsyntax.Body).Blocks {
			for name, attribute := range block.Body.Attributes {
				switch {
				case block.Type == "locals":
					written.locals[name] = attribute.Expr
				case name == "to":
					to = append(to, attribute.Expr)
				}
			}
		}
	}
	for _, expr := range to {
		written.collect(expr)
	}
	for i, file := range files {
		var diags hcl.Diagnostics
		for _, each := range written.found {
			if why := own.foreign(each.address); why != "" && each.at.Filename == file.Name {
				diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "Address of another machine", Detail: why + ".", Subject: &each.at})
			}
		}
		if len(diags) > 0 {
			warnings = append(warnings, policy.Diagnose(file, parsed[i], diags).Error())
		}
	}
	return warnings
}

// writtenAddresses are the addresses that an expression can give and that are
// written in it, or in the locals that it refers to.
type writtenAddresses struct {
	locals map[string]hclsyntax.Expression
	found  []writtenAddress
}

type writtenAddress struct {
	address netip.Addr
	at      hcl.Range
}

func (w *writtenAddresses) collect(expr hclsyntax.Expression) {
	switch expr := expr.(type) {
	case *hclsyntax.TemplateExpr:
		if text, diags := expr.Value(nil); !diags.HasErrors() && expr.IsStringLiteral() {
			if address, err := netip.ParseAddr(text.AsString()); err == nil {
				w.found = append(w.found, writtenAddress{address.Unmap(), expr.Range()})
			}
		}
	case *hclsyntax.TupleConsExpr:
		for _, each := range expr.Exprs {
			w.collect(each)
		}
	case *hclsyntax.ParenthesesExpr:
		w.collect(expr.Expression)
	case *hclsyntax.FunctionCallExpr:
		for _, each := range expr.Args {
			w.collect(each)
		}
	case *hclsyntax.ConditionalExpr:
		w.collect(expr.TrueResult)
		w.collect(expr.FalseResult)
	case *hclsyntax.ForExpr:
		w.collect(expr.CollExpr)
		w.collect(expr.ValExpr)
	case *hclsyntax.ScopeTraversalExpr:
		if len(expr.Traversal) < 2 || expr.Traversal.RootName() != "local" {
			return
		}
		if name, ok := expr.Traversal[1].(hcl.TraverseAttr); ok && w.locals[name.Name] != nil {
			w.collect(w.locals[name.Name])
		}
	}
}

// foreignAddresses returns notes about addresses to which ports are bound and that
// are not this machine's.
func (r *report) foreignAddresses() (notes []string) {
	var own subnets
	seen := map[string]bool{}
	for _, each := range r.verdicts {
		for _, outcome := range each.result.Outcomes {
			for _, address := range outcome.Decision.To {
				if own == nil {
					own = ownSubnets()
				}
				why := own.foreign(address)
				if note := fmt.Sprintf("%s: %s", outcome.Decision.Rule, why); why != "" && !seen[note] {
					seen[note] = true
					notes = append(notes, note)
				}
			}
		}
	}
	slices.Sort(notes)
	return notes
}
