package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite"
)

// inRuns puts the ports among outcomes in the order of their numbers. Ports with
// consecutive numbers that were decided alike become one outcome, with the pointer
// of the first.
func inRuns(all []rewrite.Outcome) []rewrite.Outcome {
	var slots []int
	var ports []rewrite.Outcome
	for i, o := range all {
		if o.Claim.Kind() == policy.KindPort {
			slots, ports = append(slots, i), append(ports, o)
		}
	}
	slices.SortStableFunc(ports, func(a, b rewrite.Outcome) int {
		p, q := a.Claim.(policy.Port), b.Claim.(policy.Port)
		return cmp.Or(cmp.Compare(p.Container, q.Container), cmp.Compare(p.Protocol, q.Protocol))
	})
	all = slices.Clone(all)
	for i, slot := range slots {
		all[slot] = ports[i]
	}
	var found []rewrite.Outcome
	open := map[string]int{} // the last run of ports that have all but their numbers in common
	for _, o := range all {
		port, ok := o.Claim.(policy.Port)
		if !ok {
			found = append(found, o)
			continue
		}
		common := fmt.Sprint(port.Protocol, " ", port.IP, port.Bindable, o.Decision, o.Wider, o.Before == o.After)
		i, ok := open[common]
		if ok {
			if longer, ok := join(found[i].Claim.(policy.Port), port, o.Decision); ok {
				found[i].Claim = longer
				continue
			}
		}
		open[common] = len(found)
		found = append(found, o)
	}
	return found
}

// join adds a port to a run, if it is the next. A free port that several addresses
// share is chosen for each port by itself.
func join(run, port policy.Port, decision policy.Decision) (longer policy.Port, ok bool) {
	if run.Container == 0 || port.Container != max(run.Container, run.Last)+1 {
		return run, false
	}
	longer = run
	longer.Last = port.Container
	if run.Host == "" {
		return longer, port.Host == "" && len(decision.To) < 2
	}
	first, err := strconv.Atoi(port.Host)
	first -= port.Container - run.Container
	if err != nil || run.Last == 0 && run.Host != strconv.Itoa(first) || run.Last != 0 && run.Host != fmt.Sprintf("%d-%d", first, first+run.Last-run.Container) {
		return run, false
	}
	longer.Host = fmt.Sprintf("%d-%s", first, port.Host)
	return longer, true
}
