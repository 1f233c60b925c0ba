package main

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

func TestAddressesAreFoundWhereARuleCanBindToThem(t *testing.T) {
	locals := map[string]string{"lan": `["192.0.2.1", local.more]`, "more": `"192.0.2.2"`}
	for text, want := range map[string][]string{
		`["192.0.2.1", "::ffff:192.0.2.2"]`:                            {"192.0.2.1", "192.0.2.2"},
		`local.lan`:                                                    {"192.0.2.1", "192.0.2.2"},
		`concat(["192.0.2.1"], [(local.more)])`:                        {"192.0.2.1", "192.0.2.2"},
		`call.known ? ["192.0.2.1"] : ["192.0.2.2"]`:                   {"192.0.2.1", "192.0.2.2"},
		`try(interface("wlan0"), ["192.0.2.1"])`:                       {"192.0.2.1"},
		`[for a in interface("eth0") : a if a != "192.0.2.1"]`:         nil,
		`[for a in interface("eth0") : a if cidrcontains("::1/8", a)]`: nil,
		`["${port.ip}", interface("eth0"), local.unknown]`:             nil,
	} {
		found := writtenAddresses{locals: map[string]hclsyntax.Expression{}}
		for name, text := range locals {
			found.locals[name] = parsed(t, text)
		}
		found.collect(parsed(t, text))
		var got []string
		for _, each := range found.found {
			got = append(got, each.address.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func parsed(t *testing.T, text string) hclsyntax.Expression {
	t.Helper()
	expr, diags := hclsyntax.ParseExpression([]byte(text), "policy.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return expr
}

func TestOnlyAddressesOfOtherMachinesAreForeign(t *testing.T) {
	own := subnets{
		"lo":    {netip.MustParsePrefix("127.0.0.1/8")},
		"eth0":  {netip.MustParsePrefix("10.0.0.2/8"), netip.MustParsePrefix("fd00::2/64")},
		"wlan0": {netip.MustParsePrefix("192.168.1.23/24")},
	}
	const why = " is no address of this machine. The addresses in to are this machine's, where a port listens; they do not say who may connect. "
	for address, want := range map[string]string{
		"127.0.0.1":    "",
		"127.1.2.3":    "", // all of 127.0.0.0/8 is this machine
		"0.0.0.0":      "",
		"::":           "",
		"10.0.0.2":     "",
		"fd00::2":      "",
		"192.168.1.23": "",
		"192.168.1.50": "192.168.1.50" + why + `For the addresses of an interface, write interface("wlan0"); for those in a network, [for a in interface("wlan0") : a if cidrcontains("192.168.1.0/24", a)]`,
		"fd00::50":     "fd00::50" + why + `For the addresses of an interface, write interface("eth0"); for those in a network, [for a in interface("eth0") : a if cidrcontains("fd00::/64", a)]`,
		"192.0.2.7":    "192.0.2.7" + why + `For the addresses of an interface, write interface("eth0"); for those in a network, [for a in interface("eth0") : a if cidrcontains("192.0.2.0/24", a)]`,
	} {
		if got := own.foreign(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
	if got := subnets(nil).foreign(netip.MustParseAddr("192.0.2.7")); got != "" {
		t.Errorf("a machine whose interfaces are not known: got %q", got)
	}
}
