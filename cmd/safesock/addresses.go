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

// ownSubnets are nil if they cannot be found out.
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

// foreign says why a port cannot be published on an address here, "" if it can or
// if that is not known.
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

// foreignIn are warnings about the addresses that rules of these policies write
// down in to and this machine has not. The policies have no mistakes.
func foreignIn(files []policy.File, own subnets) (warnings []string) {
	for _, file := range files {
		parsed, diags := hclsyntax.ParseConfig(file.Src, file.Name, hcl.InitialPos)
		if diags.HasErrors() {
			continue
		}
		for _, block := range parsed.Body.(*hclsyntax.Body).Blocks {
			attribute, ok := block.Body.Attributes["to"]
			if !ok {
				continue
			}
			_ = hclsyntax.VisitAll(attribute.Expr, func(node hclsyntax.Node) hcl.Diagnostics {
				expr, ok := node.(*hclsyntax.TemplateExpr)
				if !ok || !expr.IsStringLiteral() {
					return nil
				}
				text, _ := expr.Value(nil)
				address, err := netip.ParseAddr(text.AsString())
				if err != nil {
					return nil // an interface's name
				}
				if why := own.foreign(address.Unmap()); why != "" {
					diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "Address of another machine", Detail: why + ".", Subject: expr.Range().Ptr()})
				}
				return nil
			})
		}
		if len(diags) > 0 {
			warnings = append(warnings, policy.Diagnose(file, parsed, diags).Error())
		}
	}
	return warnings
}

// foreignAddresses are notes about the addresses that rules bind ports to and this
// machine has not.
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
