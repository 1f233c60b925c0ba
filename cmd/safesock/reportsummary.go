package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/safesock/safesock/policy"
)

// summary returns a line that counts the outcomes, as in
// "3 services: 2 ports bound to 127.0.0.1, 1 call refused".
func (r *report) summary() string {
	type key struct {
		action policy.Action
		noun   string
		became string
	}
	counts := map[key]int{}
	networks := map[string]bool{} // that were counted: several calls can name one network
	for _, each := range r.verdicts {
		if each.refusal != nil {
			counts[key{policy.Deny, "call", r.became(policy.Decision{})}]++
			continue
		}
		for _, o := range each.result.Outcomes {
			if quiet(o) {
				continue
			}
			k := key{o.Decision.Action, string(o.Claim.Kind()), r.became(o.Decision)}
			switch claim := o.Claim.(type) {
			case policy.Port:
				counts[k] += max(claim.Last-claim.Container, 0) + 1
				continue
			case policy.Network:
				id := k.became + " " + inALine(claim)
				if networks[id] {
					continue
				}
				networks[id] = true
			case policy.API:
				k.noun = "call"
			}
			counts[k]++
		}
	}
	order := []policy.Action{policy.Bind, policy.Replace, policy.Warn, policy.Allow, policy.Deny}
	var parts []string
	for _, k := range slices.SortedFunc(maps.Keys(counts), func(a, b key) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.action), slices.Index(order, b.action)), cmp.Compare(a.noun, b.noun), cmp.Compare(a.became, b.became))
	}) {
		parts = append(parts, counted(counts[k], k.noun)+" "+k.became)
	}
	text := strings.Join(parts, ", ")
	if r.services == 0 {
		return text
	}
	return counted(r.services, "service") + ": " + text
}

// became returns words for what a decision makes of its claim.
func (r *report) became(d policy.Decision) string {
	made := ""
	switch d.Action {
	case policy.Allow:
		return "allowed"
	case policy.Warn:
		return "warned about"
	case policy.Replace:
		made = "replaced"
	case policy.Bind:
		var to []string
		for _, address := range d.To {
			if address.IsUnspecified() {
				to = []string{policy.EveryInterface}
				break
			}
			to = append(to, address.String())
		}
		made = "bound to " + strings.Join(to, " and ")
	default:
		made = "refused"
	}
	if r.observe {
		return "that would be " + made
	}
	return made
}

// counted returns a number with a noun, as in "1 port" and "2 ports".
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
