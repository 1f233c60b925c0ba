//go:build linux

package main

import (
	"math"
	"strings"
	"testing"
)

// ping is a probe whose row has a target of each kind.
var ping = probe{name: "ping", rows: []row{{"ping p50", micros, []target{atMost(2, "direct"), atLeast(1, "haproxy"), atMost(130, "")}}}}

func TestRatiosAreMediansOfRoundsNotRatiosOfMedians(t *testing.T) {
	r := results{}
	for _, round := range [][2]float64{{100, 150}, {1000, 1500}, {400, 1200}} { // something disturbed the last
		r.add(ping, "direct", []float64{round[0]})
		r.add(ping, guarded, []float64{round[1]})
	}
	if got, ok := r.ratio("ping p50", guarded, "direct"); !ok || got != 1.5 {
		t.Errorf("got %v %v, want 1.5", got, ok)
	}
}

func TestTargetsAreJudged(t *testing.T) {
	for _, c := range []struct {
		name                      string
		direct, haproxy, safesock float64 // ns
		want                      []string
		missed                    int
	}{
		{"all hold", 50e3, 90e3, 100e3, []string{"2.000× direct ≤ 2.00 holds", "1.111× haproxy ≥ 1.00 holds", "100.0 µs ≤ 130 holds"}, 0},
		{"all are missed", 50e3, 200e3, 131e3, []string{"2.620× direct ≤ 2.00 MISSED", "0.655× haproxy ≥ 1.00 MISSED", "131.0 µs ≤ 130 MISSED"}, 3},
		{"HAProxy is not there", 50e3, math.NaN(), 100e3, []string{"2.000× direct ≤ 2.00 holds", "100.0 µs ≤ 130 holds"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := results{}
			r.add(ping, "direct", []float64{c.direct})
			r.add(ping, "haproxy", []float64{c.haproxy})
			r.add(ping, guarded, []float64{c.safesock})
			var table strings.Builder
			missed := r.print(&table, []probe{ping}, []string{"direct", guarded})
			lines := strings.Split(strings.TrimSpace(table.String()), "\n")
			if got, want := lines[len(lines)-1], strings.Join(c.want, "; "); missed != c.missed || !strings.HasSuffix(got, want) {
				t.Errorf("got %d missed, %q\nwant %d, %q", missed, got, c.missed, want)
			}
		})
	}
}
