package main

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/safesock/safesock/policy"
)

// jsonAnswer is a call in the output of --json.
type jsonAnswer struct {
	Service  string          `json:"service,omitempty"`
	Call     string          `json:"call"` // the endpoint, as in "container.create"
	Forward  bool            `json:"forward"`
	Status   int             `json:"status,omitempty"` // of the refusal
	Refusal  string          `json:"refusal,omitempty"`
	Edited   bool            `json:"edited"`
	Body     json.RawMessage `json:"body,omitempty"` // as it would be forwarded
	Outcomes []jsonOutcome   `json:"outcomes"`
}

// jsonOutcome is the outcome of a claim.
type jsonOutcome struct {
	Kind    policy.Kind   `json:"kind"`
	Claim   policy.Claim  `json:"claim"`
	Pointer string        `json:"pointer"`
	Place   *jsonPosition `json:"place,omitempty"`
	Action  string        `json:"action"`
	To      []string      `json:"to,omitempty"`
	Rule    string        `json:"rule,omitempty"`
	At      *jsonPosition `json:"at,omitempty"` // where the rule stands
	Message string        `json:"message,omitempty"`
	Reason  string        `json:"reason,omitempty"`
	Before  string        `json:"before"`
	After   string        `json:"after"`
	Warning string        `json:"warning,omitempty"`
}

// jsonPosition is a line of a file.
type jsonPosition struct {
	File string `json:"file"`
	Line int    `json:"line"`
}

// json prints {"answers": […], "hints": […], "notes": […]}.
func (r *report) json(w io.Writer) error {
	out := struct {
		Answers []jsonAnswer `json:"answers"`
		Hints   []string     `json:"hints"`
		Notes   []string     `json:"notes"`
	}{Answers: []jsonAnswer{}, Hints: append([]string{}, r.hints...), Notes: append([]string{}, r.notes...)}
	for _, each := range r.verdicts {
		out.Answers = append(out.Answers, each.json())
	}
	return writeJSON(w, out)
}

// writeJSON prints a value for people and programs to read.
func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// indented returns a body with line breaks. A body that is not JSON stays as it is.
func indented(body []byte) string {
	var out bytes.Buffer
	if json.Indent(&out, body, "", "  ") != nil {
		return string(body)
	}
	return out.String() + "\n"
}

func (v *verdict) json() jsonAnswer {
	out := jsonAnswer{
		Service:  v.Service,
		Call:     v.endpoint(),
		Forward:  v.refusal == nil,
		Edited:   v.edited(),
		Outcomes: []jsonOutcome{},
	}
	if v.refusal != nil {
		out.Status, out.Refusal = v.refusal.Status, v.refusal.Message
	}
	if v.refusal == nil && json.Valid(v.result.Body) {
		out.Body = v.result.Body
	}
	for _, outcome := range v.result.Outcomes {
		decision := outcome.Decision
		one := jsonOutcome{
			Kind:    outcome.Claim.Kind(),
			Claim:   outcome.Claim,
			Pointer: outcome.Pointer,
			Place:   (*jsonPosition)(v.Position(outcome.Pointer)),
			Action:  decision.Action.String(),
			Rule:    decision.Rule.Name,
			Message: decision.Message,
			Reason:  decision.Reason,
			Before:  outcome.Before,
			After:   outcome.After,
			Warning: outcome.Warning(),
		}
		if decision.Rule != (policy.Rule{}) {
			one.At = &jsonPosition{decision.Rule.File, decision.Rule.Line}
		}
		for _, address := range decision.To {
			one.To = append(one.To, address.String())
		}
		out.Outcomes = append(out.Outcomes, one)
	}
	return out
}
