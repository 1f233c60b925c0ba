package faults

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the safesock command, built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "safesock-faults-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "safesock")
	build := exec.Command("go", "build", "-o", path, "github.com/safesock/safesock/cmd/safesock")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, said)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// process is safesock as a process of its own.
type process struct {
	t      *testing.T
	engine *engine
	dir    string
	socket string
	audit  string // as seen from here
	cmd    *exec.Cmd
	stderr bytes.Buffer
	ended  chan error
}

// start runs a shell script in which $SAFESOCK is the command that serves and
// $DIR a folder. If it is apart, the script has mounts of its own.
func start(t *testing.T, script string, apart bool, options ...func(*process)) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := &process{t: t, dir: dir, socket: filepath.Join(dir, "safesock.sock"), audit: filepath.Join(dir, "log", "audit.log"), ended: make(chan error, 1)}
	if err := os.Mkdir(filepath.Join(dir, "log"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.engine = newEngine(t, filepath.Join(dir, "engine.sock"), creates)
	p.cmd = exec.Command("sh", "-ec", script)
	p.cmd.Env = append(os.Environ(), "DIR="+dir, "AUDIT="+p.audit,
		fmt.Sprintf("SAFESOCK=%s serve --listen %s --upstream unix://%s --drain 1s", path, p.socket, p.engine.socket))
	p.cmd.Stderr = &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if apart {
		p.cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS
		p.cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		p.cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	for _, option := range options {
		option(p)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.ended
	})
	await(t, "safesock's socket", func() string {
		if len(p.ended) > 0 {
			t.Fatalf("safesock ended: %s", p.stderr.String())
		}
		c, err := net.Dial("unix", p.socket)
		if err != nil {
			return err.Error()
		}
		c.Close()
		return ""
	})
	return p
}

// creates is a well Engine that notes the name of each container.
func creates(e *end) {
	for {
		r := e.request()
		if r == nil {
			return
		}
		if r.URL.Path == "/containers/create" {
			e.engine.noteText(r.URL.Query().Get("name"))
		}
		e.say(okText)
	}
}

// terminate sends SIGTERM and returns how safesock ended.
func (p *process) terminate() string {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err.Error()
	}
	select {
	case err := <-p.ended:
		p.ended <- err
		if err == nil {
			return "exit status 0"
		}
		return err.Error()
	case <-time.After(patience):
		return "it does not end"
	}
}

// ask makes a call on a connection of its own.
func (p *process) ask(text string) string {
	p.t.Helper()
	c := dial(p.t, p.socket)
	defer c.Close()
	c.say(text)
	return c.hear()
}

// hear reads one answer with a Content-Length, whole.
func (e *end) hear() string {
	var head strings.Builder
	for {
		line, err := e.in.ReadString('\n')
		head.WriteString(line)
		if err != nil {
			return head.String() + howItEnded(err)
		}
		if line == "\r\n" {
			break
		}
	}
	_, rest, _ := strings.Cut(head.String(), "Content-Length: ")
	var n int
	fmt.Sscan(rest, &n)
	body := make([]byte, n)
	if k, err := io.ReadFull(e.in, body); err != nil {
		return head.String() + string(body[:k]) + howItEnded(err)
	}
	return head.String() + string(body)
}

// made are the containers that the Engine made.
func (e *engine) made() map[string]bool {
	made := map[string]bool{}
	for _, call := range e.had() {
		if !strings.Contains(call, " ") {
			made[call] = true
		}
	}
	return made
}

// recorded are the containers whose create the log has as forwarded. Lines
// that were not written whole are counted.
func recorded(file string) (names map[string]bool, torn int, err error) {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, 0, err
	}
	names = map[string]bool{}
	for line := range strings.Lines(string(text)) {
		switch r, ok := parseRecord(line); {
		case !ok:
			torn++
		case r.Record == "call" && r.Refused == "":
			names[r.name()] = true
		}
	}
	return names, torn, nil
}
