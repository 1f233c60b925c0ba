package main

import (
	"slices"
	"strings"
)

// report is what explain prints.
type report struct {
	verdicts []verdict
	services int      // of the compose files
	hints    []string // ports that need not be published
	notes    []string // what else a person should know
	unknown  bool     // a look-up of the calls had no answer
	diff     bool
	observe  bool // the policy is in observe mode
}

// message is a message that clients would get.
type message struct {
	text     string
	services []string // whose calls get the message; "" for a call about no service
}

// messages returns the messages that clients would get, each once.
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
