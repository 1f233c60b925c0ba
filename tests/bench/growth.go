//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
)

// growth is one thing that there can be more and more of, for safesock alone.
type growth struct {
	what  string
	sizes []int
	run   func(ctx context.Context, b *bench, n int) (cost, error)
}

// cost is what n of a thing cost.
type cost struct {
	p50, cpu float64 // ns a call
	idle     float64 // resident bytes before it
	peak     float64 // the most resident bytes there were
}

var growths = []growth{
	{"kept connections, pings on one more", []int{1, 10, 100, 1000, 5000}, keptConnections},
	{"bytes in the body of a create", []int{1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 5 << 20}, func(ctx context.Context, b *bench, n int) (cost, error) {
		return b.creates(ctx, os.DevNull, n, 1)
	}},
	{"ports to bind in a create of 32 KiB", []int{1, 2, 5, 10, 20, 50, 100, 200}, func(ctx context.Context, b *bench, n int) (cost, error) {
		return b.creates(ctx, os.DevNull, 32<<10, n)
	}},
	{"rules before the one that decides a 4 KiB create", []int{1, 10, 100, 1000}, manyRules},
}

// linear is how much more than linear a step may look: small loads are noisy.
const linear = 1.25

// grow prints a table for each growth.
func (b *bench) grow(ctx context.Context) error {
	tw := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, g := range growths {
		fmt.Fprintf(tw, "%s\tp50 µs\tCPU µs\tCPU a step\tRSS idle MiB\tRSS peak MiB\t\n", g.what)
		var last cost
		for i, n := range g.sizes {
			l, err := g.run(ctx, b, n)
			if err != nil {
				return fmt.Errorf("%s: %d: %w", g.what, n, err)
			}
			step := ""
			if i > 0 {
				more, by := float64(n)/float64(g.sizes[i-1]), l.cpu/last.cpu
				step = fmt.Sprintf("%.2f× for %.3g×", by, more)
				if by > more*linear {
					step += " MORE THAN LINEAR"
				}
			}
			fmt.Fprintf(tw, "%d\t%.1f\t%.1f\t%s\t%.1f\t%.1f\t\n", n, l.p50/1e3, l.cpu/1e3, step, l.idle/(1<<20), l.peak/(1<<20))
			last = l
		}
		fmt.Fprintln(tw)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	return b.tooLong(ctx)
}

// weigh launches safesock and gives what a probe's first two values and its
// process' memory are.
func (b *bench) weigh(ctx context.Context, policy string, run func(*process) ([]float64, error)) (cost, error) {
	p, err := b.launch(ctx, contestant{guarded, startSafesock(policy)})
	if err != nil {
		return cost{}, err
	}
	defer p.stop()
	var l cost
	if l.idle, err = p.rss(); err != nil {
		return l, err
	}
	values, err := run(p)
	if err != nil {
		return l, err
	}
	l.p50, l.cpu = values[0], values[1]
	l.peak, err = p.peak()
	return l, err
}

func (b *bench) creates(ctx context.Context, policy string, size, ports int) (cost, error) {
	// As many calls as take about as long as 1000 small ones.
	calls := max(20, min(1000, 16<<20/size))
	return b.weigh(ctx, policy, func(p *process) ([]float64, error) { return createOf(calls, size, ports)(ctx, p) })
}

func keptConnections(ctx context.Context, b *bench, n int) (cost, error) {
	return b.weigh(ctx, os.DevNull, func(p *process) ([]float64, error) {
		var kept []*stream
		defer func() { closeAll(kept) }()
		for range n {
			s, err := dial(p.socket)
			if err != nil {
				return nil, err
			}
			kept = append(kept, s)
			if err := s.send("HEAD", "/_ping", "", http.StatusOK); err != nil {
				return nil, err
			}
		}
		return repeat(2000, (*client).ping)(ctx, p)
	})
}

func manyRules(ctx context.Context, b *bench, n int) (cost, error) {
	var rules strings.Builder
	for i := range n {
		fmt.Fprintf(&rules, "port \"rule %d\" {\n  when   = port.container == %d && compose.project == \"team-%d\"\n  action = \"deny\"\n}\n", i, 20000+i, i)
	}
	file := b.path(".hcl")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		return cost{}, err
	}
	return b.creates(ctx, file, 4<<10, 1)
}

// tooLong shows that the memory for one call is bounded, however long it is.
func (b *bench) tooLong(ctx context.Context) error {
	const size = 256 << 20
	p, err := b.launch(ctx, contestant{guarded, startSafesock(os.DevNull)})
	if err != nil {
		return err
	}
	defer p.stop()
	s, err := dial(p.socket)
	if err != nil {
		return err
	}
	defer s.Close()
	// It is refused by its length; a chunked one while it is read.
	if err := s.send("POST", apiVersion+"/containers/create?name=long", fmt.Sprintf("Content-Length: %d\r\n", size), http.StatusRequestEntityTooLarge); err != nil {
		return err
	}
	chunked, err := dial(p.socket)
	if err != nil {
		return err
	}
	defer chunked.Close()
	fmt.Fprint(chunked, "POST /v1.51/containers/create HTTP/1.1\r\nHost: api.moby.localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
	sent := 0
	for ; sent < size; sent += block {
		if _, err := fmt.Fprintf(chunked, "%x\r\n%s\r\n", block, zeros[:]); err != nil {
			break // refused
		}
	}
	peak, err := p.peak()
	if err == nil {
		fmt.Printf("a chunked create of %d MiB was cut off after %d MiB, at a peak RSS of %.1f MiB\n", size>>20, sent>>20, peak/(1<<20))
	}
	return err
}
