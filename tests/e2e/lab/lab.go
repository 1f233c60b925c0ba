//go:build e2e

package lab

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Lab is a machine with an Engine on it.
type Lab struct {
	*Machine
	Kind   Kind
	engine *Process
}

// New makes a machine whose Engine is up and has the image web:1, which
// EXPOSEs port 80. The lab ends with the test.
func New(t testing.TB, kind Kind) *Lab {
	t.Helper()
	l := &Lab{Machine: newMachine(t, kind.Suite), Kind: kind}
	l.StartEngine(t)
	l.Import(t, "web:1", `CMD ["web"]`, "EXPOSE 80")
	return l
}

// StartEngine starts the Engine and waits for its first answer.
func (l *Lab) StartEngine(t testing.TB, flags ...string) {
	t.Helper()
	args := slices.Concat(l.Kind.Serve, flags)
	if !l.Kind.Podman() {
		args = append(args, "--cgroup-parent=/"+cgroup)
	} else if err := os.MkdirAll(l.Path(filepath.Dir(l.Kind.Socket)), 0o755); err != nil {
		t.Fatal(err)
	}
	l.engine = l.Start(t, "engine.log", args...)
	l.engine.await(t, l.Kind.Socket)
}

// StopEngine ends the Engine as a service manager would.
func (l *Lab) StopEngine(t testing.TB) {
	t.Helper()
	l.engine.Stop(t, syscall.SIGTERM)
}

// Version is what the Engine says it is: "20.10.24+dfsg1".
func (l *Lab) Version(t testing.TB) string {
	t.Helper()
	return l.Docker(t, "version", "--format", "{{.Server.Version}}")
}

// Import makes an image from the file system that all images share.
func (l *Lab) Import(t testing.TB, name string, changes ...string) {
	t.Helper()
	args := []string{"import"}
	for _, c := range changes {
		args = append(args, "--change", c)
	}
	l.Docker(t, append(args, imageFile(), name)...)
}

// Docker runs the machine's own docker command against the Engine itself, and
// returns what it printed. The test ends if it fails.
func (l *Lab) Docker(t testing.TB, args ...string) string {
	t.Helper()
	cmd := l.Command("", append([]string{"docker", "--host", "unix://" + l.Kind.Socket}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return strings.TrimSpace(string(out))
}

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

// await waits until the program answers pings on a socket of the machine.
func (p *Process) await(t testing.TB, socket string) {
	t.Helper()
	Until(t, p.name+" answers", func() error {
		select {
		case <-p.done:
			t.Fatalf("%s could not start: %v\n%s", p.name, p.cmd.ProcessState, p.Tail(30))
		default:
		}
		res, err := p.m.HTTP(socket).Get("http://engine/_ping")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s", res.Status)
		}
		return nil
	})
}

// Until waits for something that happens outside the test and announces itself
// no other way. It ends the test when that takes a minute.
func Until(t testing.TB, what string, happened func() error) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		err := happened()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waiting until %s: %v", what, err)
		}
	}
}

// Dial connects to a Unix socket of the machine.
func (m *Machine) Dial(socket string) (*net.UnixConn, error) {
	return net.DialUnix("unix", nil, &net.UnixAddr{Name: m.Path(socket), Net: "unix"})
}

// HTTP is a client for a Unix socket of the machine. It keeps no connection.
func (m *Machine) HTTP(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return m.Dial(socket)
		},
	}}
}
