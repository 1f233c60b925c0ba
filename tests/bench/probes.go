//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// probe is one way to load a contestant. Each run gives one value for each of
// its rows.
type probe struct {
	name string
	rows []row
	run  func(context.Context, *process) ([]float64, error)

	// alone is run once, instead of run, with a process of its own.
	alone func(context.Context, *bench, contestant) ([]float64, error)
}

// row is one line of the table.
type row struct {
	name    string
	unit    unit
	targets []target // of safesock
}

// A target holds if the value, divided by the value of a contestant, is within
// the limit. Without a contestant the limit is in the row's unit.
type target struct {
	of    string
	atMin bool // the limit is the least, not the most
	limit float64
}

func atMost(limit float64, of string) target  { return target{of: of, limit: limit} }
func atLeast(limit float64, of string) target { return target{of: of, limit: limit, atMin: true} }

type unit struct {
	name  string
	scale float64 // of the value to print
	form  string
}

var (
	micros    = unit{"µs", 1e-3, "%.1f"} // values in ns
	perSecond = unit{"/s", 1, "%.0f"}
	megabytes = unit{"MB/s", 1e-6, "%.0f"}
	mebibytes = unit{"MiB", 1.0 / (1 << 20), "%.1f"}
	count     = unit{"", 1, "%.0f"}
)

// probes are run in this order, one after the other for each contestant, round
// after round.
var probes = []probe{
	{name: "ping", rows: []row{
		{"ping p50", micros, []target{atMost(2.0, "direct"), atMost(1.1, "haproxy")}},
		{"CPU a ping", micros, []target{atMost(1.6, "haproxy")}},
	}, run: repeat(2000, (*client).ping)},
	{name: "connect", rows: []row{
		{"new connection and ping p50", micros, []target{atMost(2.0, "direct")}},
	}, run: connect},
	{name: "create", rows: []row{
		{"4 KB create p50", micros, []target{atMost(2.5, "direct")}},
		{"CPU a create", micros, []target{atMost(130, "")}},
	}, run: createOf(1000, 4<<10, 1)},
	{name: "rate1", rows: []row{{"requests/s, 1 client", perSecond, nil}}, run: rate(1)},
	{name: "rate16", rows: []row{
		{"requests/s, 16 clients", perSecond, []target{atLeast(0.55, "direct"), atLeast(1, "haproxy")}},
	}, run: rate(16)},
	{name: "rate64", rows: []row{
		{"requests/s, 64 clients", perSecond, []target{atLeast(0.55, "direct"), atLeast(1, "haproxy")}},
	}, run: rate(64)},
	{name: "download", rows: []row{{"download, length", megabytes, bulkTargets}}, run: download("&length")},
	{name: "download-chunked", rows: []row{{"download, chunked", megabytes, bulkTargets}}, run: download("")},
	{name: "upload", rows: []row{{"upload, length", megabytes, bulkTargets}}, run: upload(transfer)},
	{name: "upload-chunked", rows: []row{{"upload, chunked", megabytes, bulkTargets}}, run: upload(-1)},
	{name: "echo", rows: []row{
		{"hijack echo p50", micros, []target{atMost(2.3, "direct")}},
	}, run: keystrokes},
	{name: "hijack-down", rows: []row{{"hijack, from the Engine", megabytes, []target{atLeast(0.75, "direct")}}}, run: hijackDown},
	{name: "hijack-up", rows: []row{{"hijack, to the Engine", megabytes, []target{atLeast(0.75, "direct")}}}, run: hijackUp},
	{name: "memory", rows: []row{
		{"RSS, idle", mebibytes, []target{atMost(12, "")}},
		{"RSS, 1000 idle attaches", mebibytes, []target{atMost(21, "")}},
		{"RSS, after they closed", mebibytes, []target{atMost(15, "")}},
		{"descriptors left over", count, []target{atMost(0, "")}},
		{"goroutines left over", count, []target{atMost(0, "")}},
	}, alone: leftovers},
}

var bulkTargets = []target{atLeast(0.75, "direct"), atLeast(1.5, "haproxy")}

const (
	transfer = 256 << 20 // bytes of one bulk measure
	rateSpan = 300 * time.Millisecond
)

// repeat measures n calls, one after the other on one connection: the median
// time and the processor time of one.
func repeat(n int, call func(*client) error) func(context.Context, *process) ([]float64, error) {
	return func(_ context.Context, p *process) ([]float64, error) {
		c := newClient(p.socket)
		defer c.CloseIdleConnections()
		for range n / 20 { // not the first calls of the connection
			if err := call(c); err != nil {
				return nil, err
			}
		}
		before, err := p.cpu()
		if err != nil {
			return nil, err
		}
		p50, err := medianTime(n, func() error { return call(c) })
		if err != nil {
			return nil, err
		}
		after, err := p.cpu()
		return []float64{p50, float64(after-before) / float64(n)}, err
	}
}

// medianTime gives the median time of n runs, in ns.
func medianTime(n int, run func() error) (float64, error) {
	took := make([]float64, n)
	for i := range took {
		start := time.Now()
		if err := run(); err != nil {
			return 0, err
		}
		took[i] = float64(time.Since(start))
	}
	return median(took), nil
}

// createOf measures creates with a body of that size and as many ports to edit.
func createOf(n, size, ports int) func(context.Context, *process) ([]float64, error) {
	body := createBody(size, ports)
	measure := repeat(n, func(c *client) error {
		_, err := c.call(c.createCall(apiVersion, "bench", body), http.StatusCreated)
		return err
	})
	return func(ctx context.Context, p *process) ([]float64, error) {
		if err := edits(p); err != nil {
			return nil, err
		}
		return measure(ctx, p)
	}
}

// edits checks that a contestant does what it is measured for: a port without
// an address is edited by safesock, which says so, and by nobody else.
func edits(p *process) error {
	c := newClient(p.socket)
	defer c.CloseIdleConnections()
	answer, err := c.RoundTrip(c.createCall(apiVersion, "bench", createBody(4<<10, 1)))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	told := strings.Contains(string(text), "127.0.0.1")
	if answer.StatusCode != http.StatusCreated || told != (strings.HasPrefix(p.contestant, guarded)) {
		return fmt.Errorf("create was answered %s %s", answer.Status, text)
	}
	return nil
}

// connect measures a call on a connection of its own.
func connect(_ context.Context, p *process) ([]float64, error) {
	p50, err := medianTime(1000, func() error { return pingOnce(p.socket) })
	return []float64{p50}, err
}

// rate measures how many pings n clients get through, each on a connection of
// its own.
func rate(n int) func(context.Context, *process) ([]float64, error) {
	return func(ctx context.Context, p *process) ([]float64, error) {
		clients := make([]*client, n)
		for i := range clients {
			clients[i] = newClient(p.socket)
			defer clients[i].CloseIdleConnections()
			if err := clients[i].ping(); err != nil {
				return nil, err
			}
		}
		var done atomic.Int64
		all, ctx := errgroup.WithContext(ctx)
		start := time.Now()
		for _, c := range clients {
			all.Go(func() error {
				for time.Since(start) < rateSpan && ctx.Err() == nil {
					if err := c.ping(); err != nil {
						return err
					}
					done.Add(1)
				}
				return ctx.Err()
			})
		}
		err := all.Wait()
		return []float64{float64(done.Load()) / time.Since(start).Seconds()}, err
	}
}

func download(framing string) func(context.Context, *process) ([]float64, error) {
	target := fmt.Sprintf(apiVersion+"/images/web/get?bytes=%d%s", transfer, framing)
	return func(_ context.Context, p *process) ([]float64, error) {
		return bulk(p, func(c *client) error {
			size, err := c.call(c.request("GET", target, nil), http.StatusOK)
			if err == nil && size != transfer {
				err = fmt.Errorf("%d bytes of %d came", size, transfer)
			}
			return err
		})
	}
}

// endless is a body that costs its sender nothing.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func upload(length int64) func(context.Context, *process) ([]float64, error) {
	return func(_ context.Context, p *process) ([]float64, error) {
		return bulk(p, func(c *client) error {
			r := c.request("POST", apiVersion+"/images/load", io.LimitReader(endless{}, transfer))
			r.ContentLength = length
			_, err := c.call(r, http.StatusOK)
			return err
		})
	}
}

// bulk gives the bytes a second of something that moves transfer bytes.
func bulk(p *process, move func(*client) error) ([]float64, error) {
	c := newClient(p.socket)
	defer c.CloseIdleConnections()
	if err := c.ping(); err != nil {
		return nil, err
	}
	start := time.Now()
	if err := move(c); err != nil {
		return nil, err
	}
	return []float64{transfer / time.Since(start).Seconds()}, nil
}

// keystrokes measures how long an attached container's echo takes.
func keystrokes(_ context.Context, p *process) ([]float64, error) {
	s, err := attach(p.socket, "web", "echo", 0)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	b := make([]byte, 64)
	p50, err := medianTime(2000, func() error {
		if _, err := s.Write(b); err != nil {
			return err
		}
		_, err := io.ReadFull(s.in, b)
		return err
	})
	return []float64{p50}, err
}

func hijackDown(_ context.Context, p *process) ([]float64, error) {
	s, err := attach(p.socket, "web", "source", transfer)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	start := time.Now()
	size, err := readAway(s.in)
	if err == nil && size != transfer {
		err = fmt.Errorf("%d bytes of %d came", size, transfer)
	}
	return []float64{transfer / time.Since(start).Seconds()}, err
}

func hijackUp(_ context.Context, p *process) ([]float64, error) {
	s, err := attach(p.socket, "web", "sink", transfer)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	start := time.Now()
	if err := sendZeros(s, transfer); err != nil {
		return nil, err
	}
	_, err = io.ReadFull(s.in, make([]byte, len("ok")))
	return []float64{transfer / time.Since(start).Seconds()}, err
}

// median sorts what it is given.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}
