//go:build linux

package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// results are the values of every row, for each contestant one a round; NaN is none.
type results map[string]map[string][]float64

// add notes the values of one run.
func (r results) add(p probe, contestant string, values []float64) {
	for i, v := range values {
		name := p.rows[i].name
		if r[name] == nil {
			r[name] = map[string][]float64{}
		}
		r[name][contestant] = append(r[name][contestant], v)
	}
}

// value is the median of a contestant's rounds.
func (r results) value(row, contestant string) (float64, bool) {
	v := slices.DeleteFunc(slices.Clone(r[row][contestant]), math.IsNaN)
	return median(v), len(v) > 0
}

// ratio is the median of the rounds' ratios: what disturbs the machine
// disturbs both sides of a round.
func (r results) ratio(row, contestant, of string) (float64, bool) {
	a, b := r[row][contestant], r[row][of]
	var ratios []float64
	for i := range min(len(a), len(b)) {
		if b[i] > 0 && !math.IsNaN(a[i]) {
			ratios = append(ratios, a[i]/b[i])
		}
	}
	return median(ratios), len(ratios) > 0
}

// judge tells how a target was met, as in "1.83× direct ≤ 2.00 holds".
func (r results) judge(row row, t target) (string, bool, bool) {
	v, ok := r.ratio(row.name, guarded, t.of)
	form, limit := "%.3f× "+t.of, fmt.Sprintf("%.2f", t.limit)
	if t.of == "" {
		v, ok = r.value(row.name, guarded)
		v *= row.unit.scale
		form, limit = row.unit.form+" "+row.unit.name, fmt.Sprintf("%g", t.limit)
	}
	if !ok {
		return "", false, false
	}
	holds, sign := v <= t.limit, "≤"
	if t.atMin {
		holds, sign = v >= t.limit, "≥"
	}
	verdict := "holds"
	if !holds {
		verdict = "MISSED"
	}
	return strings.TrimSpace(fmt.Sprintf(form, v)) + " " + sign + " " + limit + " " + verdict, holds, true
}

// print writes the table and tells how many targets were missed.
func (r results) print(w io.Writer, probes []probe, names []string) (missed int) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\t"+strings.Join(names, "\t")+"\ttargets of "+guarded)
	for _, p := range probes {
		for _, row := range p.rows {
			cells := []string{strings.TrimSpace(row.name + " " + row.unit.name)}
			for _, name := range names {
				v, ok := r.value(row.name, name)
				if !ok {
					cells = append(cells, "-")
					continue
				}
				cell := fmt.Sprintf(row.unit.form, v*row.unit.scale)
				if ratio, ok := r.ratio(row.name, name, "direct"); ok && name != "direct" {
					cell += fmt.Sprintf(" %.2f×", ratio)
				}
				cells = append(cells, cell)
			}
			var verdicts []string
			for _, t := range row.targets {
				text, holds, ok := r.judge(row, t)
				if !ok {
					continue
				}
				verdicts = append(verdicts, text)
				if !holds {
					missed++
				}
			}
			fmt.Fprintln(tw, strings.Join(append(cells, strings.Join(verdicts, "; ")), "\t"))
		}
	}
	tw.Flush()
	return missed
}
