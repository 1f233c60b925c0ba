package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/safesock/safesock"
	"github.com/safesock/safesock/host"
	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite"
)

// patience is how long a test waits for an event before it fails.
const patience = 20 * time.Second

// world is a fake Engine, safesock in front of it, and their files.
type world struct {
	t        *testing.T
	engine   string // the Engine's socket
	socket   string // safesock's
	audit    string
	server   *Server
	stop     context.CancelFunc
	stopped  chan error
	listener net.Listener
}

// newWorld starts both. The Engine runs act for each of its connections, and then
// closes the connection. Options change the server before it serves.
func newWorld(t *testing.T, act func(e *peerEnd), options ...func(*Server)) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{
		t:       t,
		engine:  filepath.Join(dir, "engine.sock"),
		socket:  filepath.Join(dir, "safesock", "docker.sock"),
		audit:   filepath.Join(dir, "audit.log"),
		stopped: make(chan error, 1),
	}
	w.startEngine(act)
	audit, err := OpenAudit(w.audit)
	if err != nil {
		t.Fatal(err)
	}
	w.server = &Server{Upstream: w.engine, Listen: w.socket, Audit: audit, Drain: patience}
	w.server.sight.Store(&host.Sight{}) // the Engine is not asked
	for _, option := range options {
		option(w.server)
	}
	w.setPolicy("")
	l, err := Listen(w.socket, 0o600, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	go func() { w.stopped <- w.server.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		w.listener.Close()
		if err := w.awaitStop(); err != nil {
			t.Error(err)
		}
		audit.Close()
	})
	return w
}

func (w *world) awaitStop() error {
	select {
	case err := <-w.stopped:
		w.stopped <- nil
		return err
	case <-time.After(patience):
		return errors.New("safesock does not stop")
	}
}

// setPolicy puts rules before the built-in ones.
func (w *world) setPolicy(src string) {
	w.t.Helper()
	p, err := policy.Parse(rewrite.Names,
		policy.File{Name: "test.hcl", Src: []byte(src), MayBeEmpty: true},
		safesock.Policy)
	if err != nil {
		w.t.Fatal(err)
	}
	w.server.SetPolicy(p)
}

func (w *world) startEngine(act func(e *peerEnd)) {
	w.t.Helper()
	l, err := net.Listen("unix", w.engine)
	if err != nil {
		w.t.Fatal(err)
	}
	w.listener = l
	var acting sync.WaitGroup
	w.t.Cleanup(acting.Wait)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			acting.Go(func() {
				e := newPeerEnd(w.t, "Engine", conn)
				e.w = w
				defer e.Close()
				if !e.answersAboutExec() {
					act(e)
				}
			})
		}
	}()
}

// execAnswer and execContainer are what the Engine has of the exec that execStart
// starts.
const (
	execAnswer    = `{"ID":"1a","ContainerID":"0c","ProcessConfig":{"privileged":false}}`
	execContainer = `{"Id":"0c","Name":"/web","State":{"Status":"running"},"Config":{},"HostConfig":{},"Mounts":[],"NetworkSettings":{}}`
)

// answersAboutExec answers safesock's questions about the exec and its container,
// if the first call on the connection is such a question, and reports whether it
// is.
func (p *peerEnd) answersAboutExec() bool {
	const question = "GET /exec/"
	if start, err := p.in.Peek(len(question)); err != nil || string(start) != question {
		return false
	}
	for {
		request, err := http.ReadRequest(p.in)
		switch {
		case err != nil:
			return true
		case request.URL.Path == "/containers/0c/json":
			p.send(answer("200 OK\r\nServer: Docker/28.5.2 (linux)", execContainer))
		default:
			p.send(answer("200 OK", execAnswer))
		}
	}
}

// dial connects a client to safesock.
func (w *world) dial() *peerEnd {
	w.t.Helper()
	conn, err := net.Dial("unix", w.socket)
	if err != nil {
		w.t.Fatal(err)
	}
	c := newPeerEnd(w.t, "client", conn)
	w.t.Cleanup(func() { c.Close() })
	return c
}

// awaitConnections waits until safesock has this number of clients.
func (w *world) awaitConnections(want int) {
	w.t.Helper()
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		got := 0
		w.server.each(func(session) { got++ })
		if got == want {
			return
		}
		if time.Since(start) > patience {
			w.t.Fatalf("safesock has %d clients want %d", got, want)
		}
	}
}

func (w *world) auditLog() string {
	w.t.Helper()
	log, err := os.ReadFile(w.audit)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(log)
}

// peerEnd is the end of a connection that a test holds: a client's or the Engine's.
type peerEnd struct {
	*net.UnixConn
	in   *bufio.Reader
	t    *testing.T
	name string
	w    *world // of an Engine
}

func newPeerEnd(t *testing.T, name string, conn net.Conn) *peerEnd {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Error(err)
	}
	return &peerEnd{UnixConn: conn.(*net.UnixConn), in: bufio.NewReader(conn), t: t, name: name}
}

func (p *peerEnd) Read(b []byte) (int, error) { return p.in.Read(b) }

func (p *peerEnd) send(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p.UnixConn, s); err != nil {
		p.t.Errorf("%s: %v", p.name, err)
	}
}

// expect reads as many bytes as want has and compares.
func (p *peerEnd) expect(want string) {
	p.t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(p.in, got)
	if string(got[:n]) != want {
		p.t.Errorf("%s got %q want %q (%v)", p.name, got[:n], want, err)
	}
}

// expectEnd reads until the other side ends, and expects nothing.
func (p *peerEnd) expectEnd() {
	p.t.Helper()
	rest, err := io.ReadAll(p.in)
	if err != nil || len(rest) > 0 {
		p.t.Errorf("%s got %q (%v), want the end", p.name, rest, err)
	}
}

func (p *peerEnd) closeWrite() {
	p.t.Helper()
	if err := p.CloseWrite(); err != nil {
		p.t.Errorf("%s: %v", p.name, err)
	}
}
