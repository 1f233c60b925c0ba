package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite"
)

// report is what explain prints.
type report struct {
	verdicts []verdict
	services int      // of the compose files
	hints    []string // what a person could do without
	notes    []string // what else a person should know
	unknown  bool     // an Engine would have had to be asked
	diff     bool
	observe  bool // the policy only reports
}

// message is what clients would be told.
type message struct {
	text     string
	services []string // whose calls have it, "" for a call of no service
}

// messages are what clients would be told, each once.
func (r *report) messages() []message {
	var all []message
	known := map[string]int{}
	add := func(service, text string) {
		i, ok := known[text]
		if !ok {
			i = len(all)
			known[text] = i
			all = append(all, message{text: text})
		}
		if n := len(all[i].services); n == 0 || all[i].services[n-1] != service {
			all[i].services = append(all[i].services, service)
		}
	}
	for _, each := range r.verdicts {
		if each.refusal != nil {
			add(each.Service, "REFUSED: "+each.refusal.Message)
			continue
		}
		for _, outcome := range each.result.Outcomes {
			if text := outcome.Warning(); text != "" {
				add(each.Service, "WARNING: "+text)
			}
		}
	}
	return all
}

func (m message) String() string {
	services := slices.DeleteFunc(slices.Clone(m.services), func(name string) bool { return name == "" })
	if len(services) == 0 {
		return m.text
	}
	return strings.Join(services, ", ") + ": " + m.text
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

// asked is what a claim asks for, in a column of a table.
func asked(claim policy.Claim) string { return containerIDs.ReplaceAllString(claim.Asked(), "$1") }

// inALine is a claim and what it asks for, in a line.
func inALine(claim policy.Claim) string { return strings.TrimSpace(claim.Title() + " " + asked(claim)) }

// decided writes an outcome's action.
func decided(o rewrite.Outcome) string {
	decision := o.Decision
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
