package main

import (
	"regexp"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite"
)

// quiet reports whether an outcome needs no row, because it only allows the call
// itself.
func quiet(o rewrite.Outcome) bool {
	return o.Claim.Kind() == policy.KindAPI && o.Decision.Action == policy.Allow
}

// containerIDs matches ids, which are shown as short as docker shows them.
var containerIDs = regexp.MustCompile(`\b([0-9a-f]{12})[0-9a-f]{52}\b`)

// asked returns what a claim asks for, for a column of a table.
func asked(claim policy.Claim) string { return containerIDs.ReplaceAllString(claim.Asked(), "$1") }

// inALine returns a claim and what it asks for.
func inALine(claim policy.Claim) string { return strings.TrimSpace(claim.Title() + " " + asked(claim)) }

// decided returns an outcome's action, and the addresses that a port is bound to or
// the socket that a rule names.
func decided(o rewrite.Outcome) string {
	decision := o.Decision
	if decision.With != "" {
		return decision.Action.String() + " with " + decision.With
	}
	port, ok := o.Claim.(policy.Port)
	if decision.Action != policy.Bind || !ok {
		return decision.Action.String()
	}
	var addresses []string
	for _, address := range decision.To {
		addresses = append(addresses, policy.Port{IP: address.String(), Host: port.Host}.Asked())
	}
	return "bind " + strings.Join(addresses, ", ")
}
