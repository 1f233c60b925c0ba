//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a running contestant.
type process struct {
	contestant string
	upstream   string // the engine's socket
	socket     string // its own
	pid        int    // 0 if nothing stands between client and engine
	audit      string // safesock's log

	cmd    *exec.Cmd
	stdin  io.WriteCloser // of a child of this program
	stdout *bufio.Reader
}

// prepare makes the command that will listen on p.socket. It dies with us.
func (p *process) prepare(name string, args ...string) {
	p.cmd = exec.Command(name, args...)
	// A signal of the terminal is for us alone: we stop them.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// begin starts the command and waits until it answers.
func (p *process) begin(ctx context.Context, within time.Duration) error {
	trouble, err := os.Create(p.socket + ".stderr")
	if err != nil {
		return err
	}
	defer trouble.Close()
	p.cmd.Stderr = trouble
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.pid = p.cmd.Process.Pid
	if err := p.answers(ctx, within); err != nil {
		p.stop()
		said, _ := os.ReadFile(trouble.Name())
		return fmt.Errorf("%s: %w\n%s", p.contestant, err, said)
	}
	return nil
}

// startWithin is how long a contestant may take to answer.
const startWithin = 10 * time.Second

// spawn starts a command.
func (p *process) spawn(ctx context.Context, name string, args ...string) error {
	p.prepare(name, args...)
	return p.begin(ctx, startWithin)
}

// spawnChild starts a process of this program, which answers to ask.
func (p *process) spawnChild(ctx context.Context, b *bench, args ...string) error {
	p.prepare(b.self, args...)
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	p.stdout = bufio.NewReader(stdout)
	return p.begin(ctx, startWithin)
}

// answers waits until a ping comes back.
func (p *process) answers(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	every := time.NewTicker(10 * time.Millisecond)
	defer every.Stop()
	for {
		err := pingOnce(p.socket)
		if err == nil {
			return nil
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return fmt.Errorf("no answer on %s: %w", p.socket, err)
		}
	}
}

// stop ends the process and waits for it.
func (p *process) stop() {
	if p.cmd == nil {
		return
	}
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// ask sends a line to a child of this program and gives the line it answers.
func (p *process) ask(line string) (string, error) {
	if _, err := fmt.Fprintln(p.stdin, line); err != nil {
		return "", err
	}
	reply, err := p.stdout.ReadString('\n')
	return strings.TrimSpace(reply), err
}

// cpu is the processor time that the process has used, from its own clock:
// /proc/PID/stat counts in ticks of 10 ms, /proc/PID/schedstat one thread.
func (p *process) cpu() (time.Duration, error) {
	if p.pid == 0 {
		return 0, nil
	}
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.pid<<3|2), &t); err != nil { // CPUCLOCK_SCHED of a process
		return 0, fmt.Errorf("processor clock of %s: %w", p.contestant, err)
	}
	return time.Duration(t.Nano()), nil
}

// rss is the resident memory in bytes.
func (p *process) rss() (float64, error) { return p.memory("smaps_rollup", "Rss:") }

// peak is the most resident memory that there was, in bytes.
func (p *process) peak() (float64, error) { return p.memory("status", "VmHWM:") }

func (p *process) memory(file, field string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.pid, file))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == field {
			kib, err := strconv.ParseFloat(words[1], 64)
			return kib * 1024, err
		}
	}
	return 0, fmt.Errorf("%s of %s has no %s", file, p.contestant, field)
}

// descriptors is the number of open files.
func (p *process) descriptors() (float64, error) {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid))
	return float64(len(open)), err
}

// goroutines asks a child of this program for their number.
func (p *process) goroutines() (float64, error) {
	reply, err := p.ask("goroutines")
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(reply, 64)
}

// settle reads a value until it is at most want or the time is over, and gives
// the last one read.
func settle(ctx context.Context, within time.Duration, want float64, read func() (float64, error)) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	every := time.NewTicker(100 * time.Millisecond)
	defer every.Stop()
	for {
		v, err := read()
		if err != nil || v <= want {
			return v, err
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return v, nil
		}
	}
}
