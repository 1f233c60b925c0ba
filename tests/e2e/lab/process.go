//go:build e2e

package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Process is a program that runs on the machine until its test ends.
type Process struct {
	m    *Machine
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// Start starts a program on the machine. What it prints is collected in a file
// of the lab's folder, and shown if the test fails.
func (m *Machine) Start(t testing.TB, log string, args ...string) *Process {
	t.Helper()
	p := &Process{m: m, name: args[0], log: filepath.Join(m.Dir, log), done: make(chan struct{})}
	file, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p.cmd = m.Command("", args...)
	p.cmd.Stdout, p.cmd.Stderr = file, file
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%s:\n%s", log, p.Tail(30))
		}
	})
	return p
}

// Log is what the program has printed so far.
func (p *Process) Log(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Tail is the end of what the program printed.
func (p *Process) Tail(lines int) string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// PID is the program's, as the host sees it: the child of the process that
// entered the machine.
func (p *Process) PID() (int, error) {
	pid := strconv.Itoa(p.cmd.Process.Pid)
	children, err := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(children)))
}

// Signal sends the program a signal.
func (p *Process) Signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	pid, err := p.PID()
	if err != nil {
		t.Fatalf("%s has ended: %v\n%s", p.name, err, p.Tail(30))
	}
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatal(err)
	}
}

// Stop sends the program a signal and waits for its end.
func (p *Process) Stop(t testing.TB, sig syscall.Signal) {
	t.Helper()
	p.Signal(t, sig)
	<-p.done
}

// await waits until something holds of the program, and no longer than it runs.
func (p *Process) await(t testing.TB, what string, holds func() error) {
	t.Helper()
	Until(t, p.name+" "+what, func() error {
		select {
		case <-p.done:
			t.Fatalf("%s has ended: %v\n%s", p.name, p.cmd.ProcessState, p.Tail(30))
		default:
		}
		return holds()
	})
}

// Wait waits for the program's end and returns its exit status.
func (p *Process) Wait() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}
