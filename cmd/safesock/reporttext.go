package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/safesock/safesock/policy"
)

// text prints a summary, a table of the claims, and the messages, hints and notes.
func (r *report) text(w io.Writer) error {
	rows := r.rows()
	refused := slices.ContainsFunc(r.verdicts, func(v verdict) bool { return v.refusal != nil })
	gap := "\n"
	switch {
	case len(rows) > 0:
		fmt.Fprintf(w, "%s\n\n", r.summary())
		if err := writeTable(w, []string{"SERVICE", "AT", "CLAIM", "ASKED", "DECIDED", "RULE", "LINE"}, rows); err != nil {
			return err
		}
	case refused: // the message says why
		gap = ""
	case r.unknown:
		fmt.Fprintln(w, "No claim on the host is known here.")
	case slices.ContainsFunc(r.verdicts, func(v verdict) bool { return v.edited() }):
		fmt.Fprintln(w, "Nothing is claimed on the host.")
	default:
		fmt.Fprintln(w, "Nothing is claimed on the host: forwarded as it is.")
	}
	for _, each := range r.messages() {
		fmt.Fprintf(w, "%s%s\n", gap, each)
		gap = "\n"
	}
	for _, each := range r.verdicts {
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

// rows returns the cells of the table, with a row for each claim.
func (r *report) rows() [][]string {
	var rows [][]string
	for _, each := range r.verdicts {
		for _, outcome := range each.result.Outcomes {
			if quiet(outcome) {
				continue
			}
			at := ""
			if found := each.Position(outcome.Pointer); found != nil {
				at = found.String()
			}
			rule := outcome.Decision.Rule
			line := ""
			if rule != (policy.Rule{}) {
				line = fmt.Sprintf("%s:%d", rule.File, rule.Line)
			}
			what := decided(outcome)
			if action := outcome.Decision.Action; r.observe && action != policy.Allow && action != policy.Warn {
				what = "would " + what
			}
			rows = append(rows, []string{each.Service, at, outcome.Claim.Title(), asked(outcome.Claim), what, rule.Name, line})
		}
	}
	return rows
}

// writeTable prints rows below a head. It leaves out columns that are empty in every
// row.
func writeTable(w io.Writer, head []string, rows [][]string) error {
	var columns []int
	for column := range head {
		if slices.ContainsFunc(rows, func(row []string) bool { return row[column] != "" }) {
			columns = append(columns, column)
		}
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{head}, rows...) {
		var cells []string
		for _, column := range columns {
			cells = append(cells, cmp.Or(row[column], "-"))
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	return table.Flush()
}

// bodyDiff returns the difference between a call and what is sent instead.
func bodyDiff(v verdict) string {
	from, to := indented(v.Body), indented(v.result.Body)
	name := v.Method + " " + v.Target
	if v.result.Target != v.Target {
		from, to = name+"\n"+from, v.Method+" "+v.result.Target+"\n"+to
	}
	return string(diff.Diff(name, []byte(from), name+" (edited)", []byte(to)))
}
