//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// compare prints the table: the probes in front of the stub engine, and a few
// in front of a real one.
func (b *bench) compare(ctx context.Context, o options, chosen []probe) error {
	start := time.Now()
	r, names, err := b.race(ctx, b.engine, chosen, o.rounds)
	if err != nil {
		return err
	}
	if err := b.alone(ctx, r, chosen, names); err != nil {
		return err
	}
	missed := r.print(os.Stdout, chosen, names)
	fmt.Printf("%d rounds in %.0f s, %d targets missed\n", o.rounds, time.Since(start).Seconds(), missed)
	if o.run == "" {
		return b.compareReal(ctx, o.rounds)
	}
	return nil
}

// race takes the probes on every contestant in turn, round after round.
func (b *bench) race(ctx context.Context, upstream string, chosen []probe, rounds int) (r results, names []string, err error) {
	var running []*process
	defer func() {
		for _, p := range running {
			p.stop()
		}
	}()
	for _, c := range contestants {
		p, err := b.launchAt(ctx, upstream, c)
		if errors.Is(err, errMissing) {
			fmt.Println("without", err)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		running, names = append(running, p), append(names, c.name)
	}
	r = results{}
	for range rounds {
		for _, probe := range chosen {
			for _, p := range running {
				if err := ctx.Err(); err != nil {
					return nil, nil, err
				}
				if probe.run == nil {
					continue
				}
				values, err := probe.run(ctx, p)
				if err != nil {
					err = fmt.Errorf("%s: %s: %w", probe.name, p.contestant, err)
					if p.contestant == guarded || p.contestant == "direct" {
						return nil, nil, err
					}
					fmt.Println("left out:", err)
					values = slices.Repeat([]float64{math.NaN()}, len(probe.rows))
				}
				r.add(probe, p.contestant, values)
			}
		}
	}
	return r, names, nil
}

// alone takes the probes that need a process of their own. Their time is spent
// waiting, so the contestants are measured side by side.
func (b *bench) alone(ctx context.Context, r results, chosen []probe, names []string) error {
	for _, probe := range chosen {
		if probe.alone == nil {
			continue
		}
		values := make([][]float64, len(contestants))
		all, ctx := errgroup.WithContext(ctx)
		for i, c := range contestants {
			if !slices.Contains(names, c.name) {
				continue
			}
			all.Go(func() (err error) {
				values[i], err = probe.alone(ctx, b, c)
				if err != nil {
					err = fmt.Errorf("%s: %s: %w", probe.name, c.name, err)
				}
				return err
			})
		}
		if err := all.Wait(); err != nil {
			return err
		}
		for i, c := range contestants {
			r.add(probe, c.name, values[i])
		}
	}
	return nil
}

// leaveProfile takes the probes on safesock alone and leaves its profile in
// the current folder.
func (b *bench) leaveProfile(ctx context.Context, o options, chosen []probe) error {
	file := "safesock." + o.profile + ".prof"
	p, err := b.launch(ctx, contestant{guarded, startInProcess(file)})
	if err != nil {
		return err
	}
	defer p.stop()
	order := func(line string) error {
		reply, err := p.ask(line + " " + o.profile)
		if err == nil && reply != "ok" {
			err = fmt.Errorf("-profile %s: %s", o.profile, reply)
		}
		return err
	}
	if err := order("start"); err != nil {
		return err
	}
	for range o.rounds {
		for _, probe := range chosen {
			if probe.run == nil {
				continue
			}
			if _, err := probe.run(ctx, p); err != nil {
				return fmt.Errorf("%s: %w", probe.name, err)
			}
		}
	}
	if err := order("stop"); err != nil {
		return err
	}
	fmt.Printf("%s: go tool pprof -top %s\n", o.profile, file)
	return nil
}
