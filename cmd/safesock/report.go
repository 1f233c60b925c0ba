package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/rogpeppe/go-internal/diff"

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

// print writes the report in one of the formats.
func (r *report) print(w io.Writer, format string) error {
	switch format {
	case "json":
		return r.json(w)
	case "sarif":
		return r.sarif(w)
	case "github":
		return r.github(w)
	}
	return r.text(w)
}

// text prints a table of the claims, and below it what a person should know.
func (r *report) text(w io.Writer) error {
	rows := r.rows()
	refused := slices.ContainsFunc(r.verdicts, func(v verdict) bool { return v.refusal != nil })
	gap := "\n"
	switch {
	case len(rows) > 0:
		if err := writeTable(w, []string{"SERVICE", "AT", "CLAIM", "ASKED", "DECIDED", "RULE", "LINE"}, rows); err != nil {
			return err
		}
	case refused: // the message says why
		gap = ""
	case len(r.notes) > 0:
		fmt.Fprintln(w, "No claim on the host is known here.")
	case slices.ContainsFunc(r.verdicts, func(v verdict) bool { return v.edited() }):
		fmt.Fprintln(w, "Nothing is claimed on the host.")
	default:
		fmt.Fprintln(w, "Nothing is claimed on the host: forwarded as it is.")
	}
	for _, each := range r.verdicts {
		for _, line := range each.messages() {
			fmt.Fprintf(w, "%s%s\n", gap, line)
			gap = "\n"
		}
		if r.diff && each.edited() {
			fmt.Fprintf(w, "\n%s", bodyDiff(each))
		}
	}
	for _, hint := range r.hints {
		fmt.Fprintf(w, "\nHint: %s\n", hint)
	}
	for _, note := range r.notes {
		fmt.Fprintf(w, "\nNote: %s\n", note)
	}
	return nil
}

// rows are the cells of the table, a row for each claim.
func (r *report) rows() [][]string {
	var rows [][]string
	for _, each := range r.verdicts {
		for _, outcome := range each.result.Outcomes {
			if quiet(outcome) {
				continue
			}
			at := ""
			if found := each.position(outcome); found != nil {
				at = found.String()
			}
			claim, asked := describe(outcome.Claim)
			rule := outcome.Decision.Rule
			line := ""
			if rule != (policy.Rule{}) {
				line = fmt.Sprintf("%s:%d", rule.File, rule.Line)
			}
			what := decided(outcome)
			if action := outcome.Decision.Action; r.observe && action != policy.Allow && action != policy.Warn {
				what = "would " + what
			}
			rows = append(rows, []string{each.Service, at, claim, asked, what, rule.Name, line})
		}
	}
	return rows
}

// writeTable prints rows below a head, without the columns that are empty.
func writeTable(w io.Writer, head []string, rows [][]string) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{head}, rows...) {
		var cells []string
		for column, cell := range row {
			if !slices.ContainsFunc(rows, func(row []string) bool { return row[column] != "" }) {
				continue
			}
			if cell == "" {
				cell = "-"
			}
			cells = append(cells, cell)
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	return table.Flush()
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

// edited tells whether the call goes on with other bytes than it came with.
func (v *verdict) edited() bool {
	return v.refusal == nil && (string(v.result.Body) != string(v.Body) || v.result.Target != v.Target)
}

// bodyDiff shows what was edited, with both bodies indented.
func bodyDiff(v verdict) string {
	from, to := indented(v.Body), indented(v.result.Body)
	name := v.Method + " " + v.Target
	if v.result.Target != v.Target {
		from, to = name+"\n"+from, v.Method+" "+v.result.Target+"\n"+to
	}
	return string(diff.Diff(name, []byte(from), name+" (edited)", []byte(to)))
}

// quiet tells whether an outcome is not worth a row: the call itself, allowed.
func quiet(o rewrite.Outcome) bool {
	return o.Claim.Kind() == policy.KindAPI && o.Decision.Action == policy.Allow
}

// containerIDs are shortened as docker shows them.
var containerIDs = regexp.MustCompile(`\b([0-9a-f]{12})[0-9a-f]{52}\b`)

// describe names a claim and what it asks for.
func describe(claim policy.Claim) (name, asked string) {
	switch c := claim.(type) {
	case policy.Port:
		if c.Container == 0 { // one of the host alone
			return "port " + c.Protocol, published(c.IP, c.Host)
		}
		return fmt.Sprintf("port %d/%s", c.Container, c.Protocol), published(c.IP, c.Host)
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
