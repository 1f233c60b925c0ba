//go:build linux

// Bench measures what stands between a Docker client and the Engine: nothing,
// HAProxy as a bare relay and as the images for guarding docker.sock set it
// up, net/http/httputil's ReverseProxy, a relay that only splices, and safesock,
// each a process of its own.
//
//	go run ./tests/bench                    the table, and which targets hold
//	go run ./tests/bench -run ping          one measure
//	go run ./tests/bench -profile cpu       a profile of safesock under the measures
//	go run ./tests/bench -growth            more connections, bodies, ports, rules
//	go run ./tests/bench -soak -for 9m      clients that come and go, and what they leave
//
// Client and engine are net/http, as Docker's are: a relay is judged by what
// it adds to that. The rounds are interleaved, and each ratio is the median of
// the rounds' own ratios, so that what else the machine does falls on all.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// guarded is the contestant that the targets are for.
const guarded = "safesock"

// options are the flags.
type options struct {
	run    string
	rounds int
	binary string

	profile string
	growth  bool
	soak    bool
	span    time.Duration

	as, listen, upstream, audit string // of a child
}

func main() {
	var o options
	flag.StringVar(&o.run, "run", "", "only the measures whose name matches this regular expression")
	flag.IntVar(&o.rounds, "rounds", 9, "how often each measure is taken")
	flag.StringVar(&o.binary, "safesock", "", "the safesock `binary` to measure (default: built from ./cmd/safesock)")
	flag.StringVar(&o.profile, "profile", "", "`kind` of profile to leave of safesock under the measures, cpu or heap, instead of a table")
	flag.BoolVar(&o.growth, "growth", false, "print how safesock grows with connections, bodies, ports and rules, instead of the table")
	flag.BoolVar(&o.soak, "soak", false, "load safesock with clients that come and go, and look at what they leave, instead of the table")
	flag.DurationVar(&o.span, "for", time.Minute, "with -soak, how long")
	flag.StringVar(&o.as, "as", "", "be a process of the benchmark: engine, reverseproxy, relay, safesock")
	flag.StringVar(&o.listen, "listen", "", "with -as, the socket to make")
	flag.StringVar(&o.upstream, "upstream", "", "with -as, the engine's socket")
	flag.StringVar(&o.audit, "audit", "", "with -as safesock, the audit log")
	flag.Parse()
	if err := perform(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func perform(o options) error {
	switch o.as {
	case "engine":
		return serveEngine(o.listen)
	case "reverseproxy":
		return serveReverseProxy(o.listen, o.upstream)
	case "relay":
		return serveRelay(o.listen, o.upstream)
	case "safesock":
		return serveSafesock(o)
	case "":
	default:
		return fmt.Errorf("-as %s: unknown", o.as)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	if o.soak {
		return b.soak(ctx, o.span)
	}
	if o.growth {
		return b.grow(ctx)
	}
	chosen, err := choose(o.run)
	if err != nil {
		return err
	}
	if o.profile != "" {
		return b.leaveProfile(ctx, o, chosen)
	}
	return b.compare(ctx, o, chosen)
}

// choose gives the probes whose names match.
func choose(expression string) ([]probe, error) {
	only, err := regexp.Compile(expression)
	if err != nil {
		return nil, fmt.Errorf("-run: %w", err)
	}
	var chosen []probe
	for _, p := range probes {
		if only.MatchString(p.name) {
			chosen = append(chosen, p)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("-run %s: no measure has such a name", expression)
	}
	return chosen, nil
}

func newBench(ctx context.Context, o options) (*bench, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "safesock-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{dir: dir, self: self, binary: o.binary, loads: probes}
	b.engine = b.path(".sock")
	b.stub = &process{contestant: "stub engine", socket: b.engine}
	if err := b.stub.spawnChild(ctx, b, "-as", "engine", "-listen", b.engine); err != nil {
		b.close()
		return nil, err
	}
	if b.binary == "" {
		b.binary = filepath.Join(dir, "safesock")
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.binary, "github.com/safesock/safesock/cmd/safesock")
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is shipped
		if said, err := build.CombinedOutput(); err != nil {
			b.close()
			return nil, fmt.Errorf("%s: %w\n%s", build, err, said)
		}
	}
	return b, nil
}

func (b *bench) close() {
	b.stub.stop()
	os.RemoveAll(b.dir)
}
