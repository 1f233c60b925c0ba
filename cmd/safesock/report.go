package main

import (
	"regexp"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite"
)

// report is what explain prints.
type report struct {
	verdicts []verdict
	hints    []string // what a person could do without
	notes    []string // what could not be known
	diff     bool
	observe  bool // the policy only reports
}

// messages are what the client would be told.
func (v *verdict) messages() []string {
	prefix := ""
	if v.Service != "" {
		prefix = v.Service + ": "
	}
	if v.refusal != nil {
		return []string{prefix + "REFUSED: " + v.refusal.Message}
	}
	var messages []string
	for _, outcome := range v.result.Outcomes {
		if text := outcome.Warning(); text != "" {
			messages = append(messages, prefix+"WARNING: "+text)
		}
	}
	return messages
}

// edited reports whether the call would be forwarded with other bytes than it
// came with.
func (v *verdict) edited() bool {
	return v.refusal == nil && (string(v.result.Body) != string(v.Body) || v.result.Target != v.Target)
}

// quiet reports whether an outcome needs no row: it is the call itself, allowed.
func quiet(o rewrite.Outcome) bool {
	return o.Claim.Kind() == policy.KindAPI && o.Decision.Action == policy.Allow
}

// containerIDs are shortened as docker shows them.
var containerIDs = regexp.MustCompile(`\b([0-9a-f]{12})[0-9a-f]{52}\b`)

// describe names a claim and what it asks for.
func describe(claim policy.Claim) (name, asked string) {
	switch c := claim.(type) {
	case policy.Port:
		return c.Title(), c.Asked()
	case policy.Network:
		return "network " + c.Mode, c.Name
	case policy.Mount:
		mode := "rw"
		if c.ReadOnly {
			mode = "ro"
		}
		return "mount " + c.Source, strings.TrimSpace(c.Target + " (" + mode + ")")
	case policy.Privilege:
		return "privilege " + c.Name, containerIDs.ReplaceAllString(c.Value, "$1")
	}
	return "the call", ""
}

// inALine is a claim and what it asks for, in a line.
func inALine(claim policy.Claim) string {
	name, asked := describe(claim)
	if asked == "" {
		return name
	}
	return name + " " + asked
}

// published writes an address and a port as docker ps does, with * for every
// interface and for any free port.
func published(ip, host string) string {
	switch {
	case ip == "":
		ip = "*"
	case strings.Contains(ip, ":"):
		ip = "[" + ip + "]"
	}
	if host == "" || host == "0" {
		host = "*"
	}
	return ip + ":" + host
}

// decided writes an outcome's action.
func decided(o rewrite.Outcome) string {
	decision := o.Decision
	port, ok := o.Claim.(policy.Port)
	if decision.Action != policy.Bind || !ok {
		return decision.Action.String()
	}
	var addresses []string
	for _, address := range decision.To {
		addresses = append(addresses, published(address.String(), port.Host))
	}
	return "bind " + strings.Join(addresses, ", ")
}
