package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// log is what the audit log says of each call, in order: its endpoint, and how
// it ended, which is "" for a call without an end.
func (w *world) log() []string {
	w.t.Helper()
	said, err := logged(w.audit)
	if err != nil {
		w.t.Error(err)
	}
	return said
}

// record is a line of the audit log.
type record struct {
	Record, ID, Endpoint, Refused string
	Status                        int
	Container                     json.RawMessage // a record in a call, an id in an answer
}

func parseRecord(line string) (r record, ok bool) {
	return r, json.Unmarshal([]byte(line), &r) == nil
}

// name is that of the container that a call is about.
func (r record) name() string {
	var container struct{ Name string }
	_ = json.Unmarshal(r.Container, &container) // an answer has no name
	return container.Name
}

func logged(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	said, at := []string{}, map[string]int{}
	var problems []error
	for line := range strings.Lines(string(text)) {
		r, ok := parseRecord(line)
		if !ok {
			problems = append(problems, fmt.Errorf("no record: %q", line))
			continue
		}
		i, known := at[r.ID]
		switch {
		case r.Record == "answer" && !known:
			problems = append(problems, fmt.Errorf("an answer to no call: %q", line))
		case r.Record == "answer":
			said[i] += fmt.Sprintf(" %d", r.Status)
		case known:
			problems = append(problems, fmt.Errorf("two records of one call: %q", line))
		default:
			at[r.ID] = len(said)
			said = append(said, r.Endpoint+":")
			if r.Refused != "" {
				said[len(said)-1] += " refused"
			}
		}
	}
	return said, errors.Join(problems...)
}
