package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/safesock/safesock/clients"
	"github.com/safesock/safesock/policy"
)

// mark is a message about a line of a file. Other programs show it at the line.
type mark struct {
	rule   string // name of the rule that decided, "" if no rule did
	action policy.Action
	text   string
	at     clients.Position // zero if it has no line
}

// levels are what SARIF and GitHub call an action's weight.
var levels = map[policy.Action]struct{ sarif, github string }{
	policy.Deny:    {"error", "error"},
	policy.Warn:    {"warning", "warning"},
	policy.Bind:    {"note", "notice"},
	policy.Replace: {"note", "notice"},
	policy.Allow:   {"note", "notice"}, // if it has a message, as about a port that is not published
}

// marks returns the outcomes that have a message, each once for a line.
func (r *report) marks() []mark {
	var marks []mark
	seen := map[mark]bool{}
	add := func(m mark, at *clients.Position) {
		if at != nil {
			m.at = *at
		}
		if !seen[m] {
			seen[m] = true
			marks = append(marks, m)
		}
	}
	for _, each := range r.verdicts {
		denied := false
		for _, outcome := range each.result.Outcomes {
			decision := outcome.Decision
			text := outcome.Warning()
			if decision.Action == policy.Deny && each.refusal != nil {
				text = fmt.Sprintf("safesock: %s is refused (%s)", inALine(outcome.Claim), decision.Rule)
				if decision.Message != "" {
					text += "; " + decision.Message
				}
				denied = true
			}
			if text != "" {
				add(mark{rule: decision.Rule.Name, action: decision.Action, text: text}, each.Position(outcome.Pointer))
			}
		}
		if each.refusal != nil && !denied {
			add(mark{action: policy.Deny, text: each.refusal.Message}, nil)
		}
	}
	return marks
}

// github prints GitHub's workflow commands, which mark lines of a pull request.
func (r *report) github(w io.Writer) error {
	for _, m := range r.marks() {
		properties := []string{"title=" + property("safesock: "+m.action.String())}
		if m.at != (clients.Position{}) {
			properties = append([]string{"file=" + property(m.at.File), fmt.Sprintf("line=%d", m.at.Line)}, properties...)
		}
		if _, err := fmt.Fprintf(w, "::%s %s::%s\n", levels[m.action].github, strings.Join(properties, ","), data.Replace(m.text)); err != nil {
			return err
		}
	}
	return nil
}

// data escapes the text of a workflow command. Its properties are escaped further.
var data = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")

func property(text string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(data.Replace(text))
}

// sarif prints a SARIF 2.1.0 log (OASIS), for code scanning.
func (r *report) sarif(w io.Writer) error {
	type text struct {
		Text string `json:"text"`
	}
	type region struct {
		StartLine int `json:"startLine"`
	}
	type artifact struct {
		URI string `json:"uri"`
	}
	type physical struct {
		ArtifactLocation artifact `json:"artifactLocation"`
		Region           region   `json:"region"`
	}
	type location struct {
		PhysicalLocation physical `json:"physicalLocation"`
	}
	type result struct {
		RuleID    string     `json:"ruleId"`
		Level     string     `json:"level"`
		Message   text       `json:"message"`
		Locations []location `json:"locations,omitempty"`
	}
	type rule struct {
		ID string `json:"id"`
	}
	type driver struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Rules   []rule `json:"rules"`
	}
	type tool struct {
		Driver driver `json:"driver"`
	}
	type run struct {
		Tool    tool     `json:"tool"`
		Results []result `json:"results"`
	}

	one := run{Tool: tool{driver{"safesock", version(), []rule{}}}, Results: []result{}}
	seen := map[string]bool{}
	for _, m := range r.marks() {
		id := m.rule
		if id == "" {
			id = "not understood"
		}
		if !seen[id] {
			seen[id] = true
			one.Tool.Driver.Rules = append(one.Tool.Driver.Rules, rule{id})
		}
		found := result{RuleID: id, Level: levels[m.action].sarif, Message: text{m.text}}
		if m.at != (clients.Position{}) {
			found.Locations = []location{{physical{artifact{m.at.File}, region{m.at.Line}}}}
		}
		one.Results = append(one.Results, found)
	}
	return writeJSON(w, struct {
		Schema  string `json:"$schema"`
		Version string `json:"version"`
		Runs    []run  `json:"runs"`
	}{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []run{one}})
}
