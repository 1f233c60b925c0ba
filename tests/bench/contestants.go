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
	{"safesock", startSafesock},
}

// bench is what one run of this program shares.
type bench struct {
	dir    string // for sockets and files, removed at the end
	stub   *process
	engine string // the stub engine's socket
	binary string // safesock's
	self   string // this program's
	policy string // the file for safesock
	loads  []probe

	files atomic.Int64 // names made so far
}

// path is a new name in the run's folder.
func (b *bench) path(suffix string) string {
	return filepath.Join(b.dir, strconv.FormatInt(b.files.Add(1), 10)+suffix)
}

// launch starts a contestant that has nobody else's connections.
func (b *bench) launch(ctx context.Context, c contestant) (*process, error) {
	p := &process{contestant: c.name, socket: b.path(".sock")}
	return p, c.start(ctx, b, p)
}

func startDirect(_ context.Context, b *bench, p *process) error {
	p.socket = b.engine
	return nil
}

func startReverseProxy(ctx context.Context, b *bench, p *process) error {
	return p.spawn(ctx, true, b.self, "-as", "reverseproxy", "-listen", p.socket, "-upstream", b.engine)
}

func startSafesock(ctx context.Context, b *bench, p *process) error {
	p.audit = b.path(".audit")
	return p.spawn(ctx, false, b.binary, "serve", "--listen", p.socket, "--upstream", "unix://"+b.engine, "--audit", p.audit, "--policy", b.policy)
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
		if err := os.WriteFile(file, []byte(haproxyConfig(p.socket, b.engine, rules)), 0o600); err != nil {
			return err
		}
		return p.spawn(ctx, false, binary, "-db", "-f", file)
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
		return p.spawn(ctx, true, b.self, "-as", "safesock", "-listen", p.socket, "-upstream", b.engine, "-audit", p.audit, "-policy", b.policy, "-profile", profile)
	}
}
