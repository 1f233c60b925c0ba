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

	as, listen, upstream, policy, audit string // of a child
}

func main() {
	var o options
	flag.StringVar(&o.run, "run", "", "only the measures whose name matches this regular expression")
	flag.IntVar(&o.rounds, "rounds", 9, "how often each measure is taken")
	flag.StringVar(&o.binary, "safesock", "", "the safesock `binary` to measure (default: built from ./cmd/safesock)")
	flag.StringVar(&o.profile, "profile", "", "`kind` of profile to leave of safesock under the measures, cpu or heap, instead of a table")
	flag.BoolVar(&o.growth, "growth", false, "print how safesock grows with connections, bodies, ports and rules, instead of the table")
	flag.StringVar(&o.as, "as", "", "be a process of the benchmark: engine, reverseproxy, safesock")
	flag.StringVar(&o.listen, "listen", "", "with -as, the socket to make")
	flag.StringVar(&o.upstream, "upstream", "", "with -as, the engine's socket")
	flag.StringVar(&o.policy, "policy", "", "with -as safesock, the policy")
	flag.StringVar(&o.audit, "audit", "", "with -as safesock, the audit log")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := perform(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func perform(ctx context.Context, o options) error {
	switch o.as {
	case "engine":
		return serveEngine(o.listen)
	case "reverseproxy":
		return serveReverseProxy(o.listen, o.upstream)
	case "safesock":
		return serveSafesock(o)
	case "":
	default:
		return fmt.Errorf("-as %s: unknown", o.as)
	}
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
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
	b := &bench{dir: dir, self: self, binary: o.binary, policy: os.DevNull, loads: probes, stub: &process{contestant: "stub engine"}}
	b.engine = b.path(".sock")
	b.stub.socket = b.engine
	if err := b.stub.spawn(ctx, true, self, "-as", "engine", "-listen", b.engine); err != nil {
		b.close()
		return nil, err
	}
	if b.binary == "" {
		b.binary = filepath.Join(dir, "safesock")
		build := exec.CommandContext(ctx, "go", "build", "-o", b.binary, "github.com/safesock/safesock/cmd/safesock")
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
