package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safesock/safesock"
	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/proxy"
	"github.com/safesock/safesock/rewrite"
)

func init() {
	flag.DurationVar(&patience, "patience", patience, "how long to wait for what must happen")
}

// patience is how long a test waits for what must happen. No test is about it.
var patience = 20 * time.Second

// world is an Engine that does as a test says, and safesock in front of it, in
// this process, under the built-in policy.
type world struct {
	t      *testing.T
	engine *engine
	server *proxy.Server
	socket string // safesock's
	audit  string
	stop   context.CancelFunc
	served chan error
}

func newWorld(t *testing.T, act func(*end), options ...func(*proxy.Server)) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{
		t:      t,
		engine: newEngine(t, filepath.Join(dir, "engine.sock"), act),
		socket: filepath.Join(dir, "safesock.sock"),
		audit:  filepath.Join(dir, "audit.log"),
		served: make(chan error, 1),
	}
	builtin, err := policy.Parse(rewrite.Names, safesock.Policy)
	if err != nil {
		t.Fatal(err)
	}
	audit, err := proxy.OpenAudit(w.audit)
	if err != nil {
		t.Fatal(err)
	}
	l, err := proxy.Listen(w.socket, 0o600, "")
	if err != nil {
		t.Fatal(err)
	}
	server := &proxy.Server{Upstream: w.engine.socket, Listen: w.socket, Audit: audit, Log: slog.New(slog.DiscardHandler), Drain: time.Millisecond}
	for _, option := range options {
		option(server)
	}
	server.SetPolicy(builtin)
	w.server = server
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	go func() { w.served <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		w.end()
		audit.Close()
	})
	return w
}

// end stops safesock and waits for the end of serving.
func (w *world) end() {
	w.t.Helper()
	w.stop()
	select {
	case err := <-w.served:
		w.served <- nil
		if err != nil {
			w.t.Errorf("safesock ended: %v", err)
		}
	case <-time.After(patience):
		w.t.Errorf("safesock does not end; it runs\n%s", strings.Join(goroutines(), "\n\n"))
		w.engine.close() // what it waits for
		<-w.served
		w.served <- nil
	}
}

func (w *world) dial() *end { return dial(w.t, w.socket) }

// awaitNone waits until safesock runs nothing for any client, and holds no
// connection to the Engine for one.
func (w *world) awaitNone() {
	w.t.Helper()
	await(w.t, "no goroutine of a client's", func() string { return strings.Join(goroutines(), "\n\n") })
}

// await waits until nothing is left.
func await(t *testing.T, what string, left func() string) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		now := left()
		if now == "" {
			return
		}
		if time.Since(start) > patience {
			t.Errorf("want %s, there is\n%s", what, now)
			return
		}
	}
}

// goroutines are those that package proxy runs for clients.
func goroutines() (left []string) {
	all := make([]byte, 16<<20)
	all = all[:runtime.Stack(all, true)]
	for one := range strings.SplitSeq(string(all), "\n\n") {
		if strings.Contains(one, "safesock/proxy.") && !serving.MatchString(one) {
			left = append(left, one)
		}
	}
	return left
}

var serving = regexp.MustCompile(`proxy\.\(\*Server\)\.(Serve|accept)\(0x|proxy\.\(\*Server\)\.Serve\.func|proxy\.giveBack\(`)

// descriptors are what this process has open.
func descriptors(t *testing.T) (open []string) {
	t.Helper()
	const dir = "/proc/self/fd/"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if to, err := os.Readlink(dir + e.Name()); err == nil { // that of ReadDir is gone
			open = append(open, to)
		}
	}
	slices.Sort(open)
	return open
}

// keepsDescriptors runs a table and compares what is open afterwards with what
// was open before.
func keepsDescriptors(t *testing.T, table func()) {
	t.Helper()
	w := newWorld(t, func(*end) {})
	w.dial().Close() // with its first socket, a process opens more
	before := len(descriptors(t))
	table()
	w.dial().Close() // once the last client has left, what was kept for the next is closed
	await(t, fmt.Sprint(before, " descriptors, as before"), func() string {
		if now := descriptors(t); len(now) > before {
			return strings.Join(now, "\n")
		}
		return ""
	})
}

// engine is an Engine whose connections do as the test says.
type engine struct {
	socket   string
	listener net.Listener
	acting   sync.WaitGroup
	forgets  bool // it has too many calls to note them

	mu    sync.Mutex
	open  map[*end]bool
	calls []string // what clients asked for, without what safesock asks itself
}

func newEngine(t *testing.T, socket string, act func(*end)) *engine {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{socket: socket, listener: l, open: map[*end]bool{}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c := newEnd(t, conn)
			c.engine = e
			e.mu.Lock()
			e.open[c] = true
			e.mu.Unlock()
			e.acting.Go(func() {
				act(c)
				c.Close()
				e.mu.Lock()
				delete(e.open, c)
				e.mu.Unlock()
			})
		}
	}()
	t.Cleanup(e.close)
	return e
}

// close ends every connection of the Engine.
func (e *engine) close() {
	e.listener.Close()
	e.mu.Lock()
	for c := range e.open {
		c.Close()
	}
	e.mu.Unlock()
	e.acting.Wait()
}

func (e *engine) note(r *http.Request) { e.noteText(r.Method + " " + r.URL.Path) }

func (e *engine) noteText(text string) {
	if e.forgets {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = append(e.calls, text)
}

// had is what clients asked of the Engine.
func (e *engine) had() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string{}, e.calls...)
}

// await waits until a client has made a call, or safesock has asked.
func (e *engine) await(t *testing.T, call string) {
	t.Helper()
	await(t, call, func() string {
		if had := e.had(); !slices.Contains(had, call) {
			return fmt.Sprint(had)
		}
		return ""
	})
}

// end is one end of a connection: a client, or the Engine's.
type end struct {
	*net.UnixConn
	in     *bufio.Reader
	t      *testing.T
	engine *engine // of the Engine's
}

func newEnd(t *testing.T, conn net.Conn) *end {
	return &end{UnixConn: conn.(*net.UnixConn), in: bufio.NewReader(conn), t: t}
}

// dial connects a client for as long as the test runs.
func dial(t *testing.T, socket string) *end {
	t.Helper()
	c := connect(t, socket)
	if c == nil {
		t.FailNow()
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// connect connects a client that closes its connection itself. It returns nil
// after an error.
func connect(t *testing.T, socket string) *end {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err == nil {
		err = conn.SetDeadline(time.Now().Add(patience))
	}
	if err != nil {
		t.Error(err)
		return nil
	}
	return newEnd(t, conn)
}

func (e *end) Read(b []byte) (int, error) { return e.in.Read(b) }

// say sends text. That the other side is gone is for the next read to see.
func (e *end) say(text string) { _, _ = e.UnixConn.Write([]byte(text)) }

// request reads the next call whole. A question of safesock's own is answered
// here, as by an Engine that is well. It returns nil once there are no more.
func (e *end) request() *http.Request {
	for {
		r, err := http.ReadRequest(e.in)
		if err != nil {
			return nil
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return nil
		}
		if !isLookup(r) {
			e.engine.note(r)
			return r
		}
		e.say(lookedUp(r.URL.Path))
	}
}

// closed reports whether the other side has closed its socket, or this side has.
func (e *end) closed() bool {
	raw, err := e.SyscallConn()
	if err != nil {
		return true
	}
	fds := []unix.PollFd{{}}
	err = raw.Control(func(fd uintptr) {
		fds[0].Fd = int32(fd)
		_, _ = unix.Poll(fds, 0)
	})
	return err != nil || fds[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0
}

// awaitGone waits until that is so.
func (e *end) awaitGone() {
	await(e.t, "the other side gone", func() string {
		if e.closed() {
			return ""
		}
		return "it is there"
	})
}

// isLookup reports whether safesock itself asks: it is net/http's client.
func isLookup(r *http.Request) bool { return r.UserAgent() == "Go-http-client/1.1" }

const containerID = "4c01db0b339c5e3f1b5a0f6f9f3c1a7d8e2b6c4d5a9f8e7c6b5a4d3e2f1c0b9a"

// objects are what the Engine knows.
var objects = map[string]string{
	"/containers/": `{"Id":"` + containerID + `","Name":"/web","State":{"Status":"created"},"Config":{"Image":"web:1"},"HostConfig":{"NetworkMode":"bridge"},"Mounts":[],"NetworkSettings":{"Networks":{"bridge":{}}}}`,
	"/exec/":       `{"ID":"0a","ContainerID":"` + containerID + `","ProcessConfig":{}}`,
	"/images/":     `{"Id":"sha256:` + containerID + `","Config":{"ExposedPorts":{"80/tcp":{}}}}`,
	"/networks/":   `{"Id":"` + containerID + `","Name":"lan","Driver":"bridge"}`,
	"/version":     `{"Version":"28.5.2","ApiVersion":"1.51","Components":[{"Name":"Engine"}]}`,
	"/info":        `{"DefaultRuntime":"runc"}`,
}

func lookedUp(path string) string {
	for prefix, object := range objects {
		if strings.HasPrefix(path, prefix) {
			return answer(200, object)
		}
	}
	return answer(404, `{"message":"no such object"}`)
}

func answer(status int, body string) string {
	return fmt.Sprintf("HTTP/1.1 %d %s\r\nServer: Docker/28.5.2 (linux)\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, http.StatusText(status), len(body), body)
}

// ownAnswer is an answer of safesock's own.
func ownAnswer(status int, words string, last bool) string {
	body, err := json.Marshal(map[string]string{"message": words})
	if err != nil {
		panic(err) // a string can always be encoded
	}
	closing := ""
	if last {
		closing = "Connection: close\r\n"
	}
	return fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s\n", status, http.StatusText(status), len(body)+1, closing, body)
}

// headOf is an answer as HEAD gets it.
func headOf(answer string) string {
	head, _, _ := strings.Cut(answer, "\r\n\r\n")
	return head + "\r\n\r\n"
}
