//go:build linux

package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// realProbes are what a real Engine is asked for.
var realProbes = []probe{
	{name: "ping", rows: []row{{"ping p50", micros, nil}, {"CPU a ping", micros, nil}}, run: repeat(1000, (*client).ping)},
	{name: "create", rows: []row{{"4 KB create p50", micros, nil}, {"CPU a create", micros, nil}}, run: realCreate},
}

// startRealEngine starts this machine's dockerd with folders and namespaces of
// its own. It can make containers and has no network to run them on.
func (b *bench) startRealEngine(ctx context.Context) (*process, error) {
	binary, err := exec.LookPath("dockerd")
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("dockerd: %w (apt-get install docker.io)", errMissing)
	}
	if err != nil {
		return nil, err
	}
	if os.Getuid() != 0 {
		return nil, fmt.Errorf("dockerd: %w for this user", fs.ErrPermission)
	}
	folder := b.path("")
	p := &process{contestant: "dockerd", socket: b.path(".sock")}
	p.prepare(binary, "--host=unix://"+p.socket, "--data-root="+folder+"/data", "--exec-root="+folder+"/exec", "--pidfile="+folder+"/pid",
		"--storage-driver=vfs", "--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false", "--log-level=error")
	p.cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
	p.cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
	if err := p.begin(ctx, realPatience); err != nil {
		return nil, err
	}
	if err := importImage(p.socket); err != nil {
		return nil, errors.Join(err, p.end())
	}
	return p, nil
}

const realPatience = time.Minute

// end lets the Engine end what it started.
func (p *process) end() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	kill := time.AfterFunc(realPatience, p.stop)
	defer kill.Stop()
	p.cmd.Wait() // its exit code says that it was asked to
	return nil
}

// importImage makes the image web:1 with one small file.
func importImage(socket string) error {
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "web", Mode: 0o755, Size: 1}); err != nil {
		return err
	}
	if _, err := w.Write([]byte("#")); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	c := newClient(socket)
	defer c.CloseIdleConnections()
	_, err := c.call(c.request("POST", "/images/create?fromSrc=-&repo=web&tag=1&changes=CMD+web", &layer), http.StatusOK)
	return err
}

// realCreate measures creates of containers that are then removed.
func realCreate(_ context.Context, p *process) ([]float64, error) {
	const calls = 10
	body := createBody(4<<10, 1)
	c := newClient(p.socket)
	defer c.CloseIdleConnections()
	var took []float64
	var cpu time.Duration
	for i := range calls {
		name := fmt.Sprintf("bench-%d", i)
		before, err := p.cpu()
		if err != nil {
			return nil, err
		}
		start := time.Now()
		if _, err := c.call(c.createCall("", name, body), http.StatusCreated); err != nil {
			return nil, err
		}
		took = append(took, float64(time.Since(start)))
		after, err := p.cpu()
		if err != nil {
			return nil, err
		}
		cpu += after - before
		if _, err := c.call(c.request("DELETE", "/containers/"+name, nil), http.StatusNoContent); err != nil {
			return nil, err
		}
	}
	return []float64{median(took), float64(cpu) / calls}, nil
}

// compareReal is compare in front of a real Engine.
func (b *bench) compareReal(ctx context.Context, rounds int) error {
	engine, err := b.startRealEngine(ctx)
	if errors.Is(err, errMissing) || errors.Is(err, fs.ErrPermission) {
		fmt.Println("without a real Engine:", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer engine.end()
	version, err := exec.CommandContext(ctx, filepath.Base(engine.cmd.Path), "--version").Output()
	if err != nil {
		return err
	}
	r, names, err := b.race(ctx, engine.socket, realProbes, rounds)
	if err != nil {
		return err
	}
	fmt.Printf("\nin front of %s", version)
	r.print(os.Stdout, realProbes, names)
	return nil
}
