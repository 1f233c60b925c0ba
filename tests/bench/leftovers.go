//go:build linux

package main

import (
	"context"
	"errors"
	"math"
	"time"
)

const (
	attaches     = 1000
	settleWithin = 10 * time.Second
)

// leftovers measures what a contestant keeps of its clients: the memory of a
// fresh process, of one with idle attached containers, and of one that they
// left, each once it has had time to become idle; then the descriptors and goroutines that every load together leaves.
func leftovers(ctx context.Context, b *bench, c contestant) ([]float64, error) {
	none := math.NaN()
	values := []float64{none, none, none, none, none}
	p, err := b.launch(ctx, c)
	if err != nil || p.pid == 0 {
		return values, err
	}
	defer p.stop()
	opened, err := settle(ctx, time.Second, 0, p.descriptors) // the start's own ping is leaving
	if err != nil {
		return nil, err
	}
	if values[0], err = settle(ctx, settleWithin, 12<<20, p.rss); err != nil {
		return nil, err
	}
	held, err := attachMany(p.socket, attaches)
	if err == nil {
		values[1], err = settle(ctx, settleWithin, 21<<20, p.rss)
	}
	closeAll(held)
	if err != nil {
		return nil, err
	}
	if values[2], err = settle(ctx, settleWithin, 15<<20, p.rss); err != nil {
		return nil, err
	}
	if err := b.everything(ctx, p); err != nil {
		return nil, err
	}
	left, err := settle(ctx, settleWithin, opened, p.descriptors)
	values[3] = left - opened
	if err != nil || c.name != guarded {
		return values, err
	}
	values[4], err = b.goroutinesLeft(ctx)
	return values, err
}

// goroutinesLeft loads what serve runs, in a process that can count them.
func (b *bench) goroutinesLeft(ctx context.Context) (float64, error) {
	p, err := b.launch(ctx, contestant{"safesock in process", startInProcess("")})
	if err != nil {
		return 0, err
	}
	defer p.stop()
	before, err := settle(ctx, time.Second, 0, p.goroutines)
	if err != nil {
		return 0, err
	}
	if err := b.everything(ctx, p); err != nil {
		return 0, err
	}
	after, err := settle(ctx, settleWithin, before, p.goroutines)
	return after - before, err
}

// everything is one run of each probe, and clients that go away in the middle.
func (b *bench) everything(ctx context.Context, p *process) error {
	for _, probe := range b.loads {
		if probe.run == nil {
			continue
		}
		if _, err := probe.run(ctx, p); err != nil {
			return err
		}
	}
	held, err := attachMany(p.socket, 100)
	closeAll(held)
	for range 100 {
		err = errors.Join(err, leaveDownload(p.socket))
	}
	return err
}

// leaveDownload goes away while a download is under way.
func leaveDownload(socket string) error {
	s, err := dial(socket)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.send("GET", apiVersion+"/images/web/get?bytes=67108864", "", 200)
}

// attachMany opens idle attached containers. What it opened is returned with
// an error too.
func attachMany(socket string, n int) (held []*stream, err error) {
	for range n {
		s, err := attach(socket, "web", "echo", 0)
		if err != nil {
			return held, err
		}
		held = append(held, s)
	}
	return held, nil
}

func closeAll(streams []*stream) {
	for _, s := range streams {
		s.Close()
	}
}
