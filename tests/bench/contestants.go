//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
)

// contestant is one way to the engine.
type contestant struct {
	name  string
	start func(context.Context, *bench, *process) error
}

var contestants = []contestant{
	{"direct", startDirect},
	{"haproxy", startHAProxy(false)},
	{"haproxy+rules", startHAProxy(true)},
	{"reverseproxy", startReverseProxy},
	{"splice", startRelay},
	{guarded, startSafesock(os.DevNull)},
	{"safesock+api", startSafesockWithRule},
	{"safesock+ci", startSafesock("examples/ci.hcl")}, // from the repository's root, where make runs this
}

// startSafesockWithRule runs it with a rule that every call has to be held against.
func startSafesockWithRule(ctx context.Context, b *bench, p *process) error {
	file := b.path(".hcl")
	const rule = "api \"no\" {\n  when   = call.method == \"DELETE\" && startswith(call.path, \"/x\")\n  action = \"deny\"\n}\n"
	if err := os.WriteFile(file, []byte(rule), 0o600); err != nil {
		return err
	}
	return startSafesock(file)(ctx, b, p)
}

// bench is what one run of this program shares.
type bench struct {
	dir    string // for sockets and files, removed at the end
	stub   *process
	engine string // the stub engine's socket
	binary string // safesock's
	self   string // this program's
	loads  []probe

	files atomic.Int64 // names made so far
}

// path is a new name in the run's folder.
func (b *bench) path(suffix string) string {
	return filepath.Join(b.dir, strconv.FormatInt(b.files.Add(1), 10)+suffix)
}

// launch starts a contestant in front of the stub engine.
func (b *bench) launch(ctx context.Context, c contestant) (*process, error) {
	return b.launchAt(ctx, b.engine, c)
}

// launchAt starts a contestant in front of an engine.
func (b *bench) launchAt(ctx context.Context, upstream string, c contestant) (*process, error) {
	p := &process{contestant: c.name, upstream: upstream, socket: b.path(".sock")}
	return p, c.start(ctx, b, p)
}

func startDirect(_ context.Context, _ *bench, p *process) error {
	p.socket = p.upstream
	return nil
}

func startReverseProxy(ctx context.Context, b *bench, p *process) error {
	return p.spawnChild(ctx, b, "-as", "reverseproxy", "-listen", p.socket, "-upstream", p.upstream)
}

func startRelay(ctx context.Context, b *bench, p *process) error {
	return p.spawnChild(ctx, b, "-as", "relay", "-listen", p.socket, "-upstream", p.upstream)
}

// startSafesock runs it with a policy before the built-in one.
func startSafesock(policy string) func(context.Context, *bench, *process) error {
	return func(ctx context.Context, b *bench, p *process) error {
		p.audit = b.path(".audit")
		return p.spawn(ctx, b.binary, "serve", "--listen", p.socket, "--upstream", "unix://"+p.upstream, "--audit", p.audit, "--policy", policy)
	}
}

// errMissing is the error of a contestant that this machine does not have.
var errMissing = errors.New("not installed")

// startHAProxy relays: HTTP on both sides. With rules it does what the images
// for guarding docker.sock have it do: a log, a new connection to the Engine
// for every call, and a list of allowed paths by regular expression.
func startHAProxy(rules bool) func(context.Context, *bench, *process) error {
	return func(ctx context.Context, b *bench, p *process) error {
		binary, err := exec.LookPath("haproxy")
		if err != nil {
			return fmt.Errorf("haproxy: %w (apt-get install haproxy)", errMissing)
		}
		file := b.path(".cfg")
		if err := os.WriteFile(file, []byte(haproxyConfig(p.socket, p.upstream, rules)), 0o600); err != nil {
			return err
		}
		return p.spawn(ctx, binary, "-db", "-f", file)
	}
}

func haproxyConfig(listen, upstream string, rules bool) string {
	var defaults, frontend strings.Builder
	if rules {
		defaults.WriteString("\tlog stdout format raw daemon info\n\toption httplog\n\toption dontlognull\n\toption http-server-close\n")
		for _, kind := range []string{"auth", "build", "commit", "configs", "containers", "distribution", "events", "exec", "_ping", "images", "info", "networks"} {
			fmt.Fprintf(&frontend, "\thttp-request allow if { path,url_dec -m reg -i ^(/v[\\d\\.]+)?/%s }\n", kind)
		}
		frontend.WriteString("\thttp-request deny\n")
	}
	return "global\n\tmaxconn 6000\n" +
		"defaults\n\tmode http\n\ttimeout connect 10s\n\ttimeout client 10m\n\ttimeout server 10m\n\ttimeout tunnel 10m\n" + defaults.String() +
		"frontend clients\n\tbind unix@" + listen + " mode 600\n" + frontend.String() + "\tdefault_backend engine\n" +
		"backend engine\n\tserver engine unix@" + upstream + "\n"
}

// startInProcess runs what safesock serve does, in a child of this program.
func startInProcess(profile string) func(context.Context, *bench, *process) error {
	return func(ctx context.Context, b *bench, p *process) error {
		p.audit = b.path(".audit")
		return p.spawnChild(ctx, b, "-as", "safesock", "-listen", p.socket, "-upstream", p.upstream, "-audit", p.audit, "-profile", profile)
	}
}
