package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/safesock/safesock"
	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/proxy"
	"github.com/safesock/safesock/rewrite"
)

// world is safesock as serve runs it, under the built-in policy, and an Engine
// behind it that hands each connection to the plan that it belongs to.
type world struct {
	direct bool   // clients connect to the Engine itself
	socket string // that clients connect to
	stop   context.CancelFunc
	served chan error
	audit  *proxy.Audit

	engine net.Listener
	others listener    // connections that belong to no plan
	http   http.Server // of those

	mu      sync.Mutex
	awaited map[string]chan *peeked // the Engine's connections, by Host
	talks   map[string]*talk        // conversations by HTTP/2, by Host
}

// newWorld starts both, with their sockets in a folder. A direct world does
// without safesock: what goes wrong there is the plan's fault.
func newWorld(dir string, direct bool) (*world, error) {
	w := &world{
		direct:  direct,
		socket:  filepath.Join(dir, "safesock.sock"),
		served:  make(chan error, 1),
		others:  listener{make(chan net.Conn), make(chan struct{})},
		awaited: map[string]chan *peeked{},
		talks:   map[string]*talk{},
	}
	upstream := filepath.Join(dir, "engine.sock")
	builtin, err := policy.Parse(rewrite.Names, safesock.Policy)
	if err != nil {
		return nil, err
	}
	if w.audit, err = proxy.OpenAudit(os.DevNull); err != nil {
		return nil, err
	}
	if w.engine, err = net.Listen("unix", upstream); err != nil {
		return nil, err
	}
	l, err := proxy.Listen(w.socket, 0o600, "")
	if err != nil {
		return nil, err
	}
	server := &proxy.Server{Upstream: upstream, Listen: w.socket, Audit: w.audit, Log: slog.New(slog.DiscardHandler)}
	server.SetPolicy(builtin)
	w.http.Handler, w.http.Protocols = w.handler(), new(http.Protocols)
	w.http.Protocols.SetHTTP1(true)
	w.http.Protocols.SetUnencryptedHTTP2(true)
	if direct {
		w.socket = upstream
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	go w.accept()
	go w.http.Serve(&w.others)
	go func() { w.served <- server.Serve(ctx, l) }()
	return w, nil
}

// close ends both.
func (w *world) close() error {
	w.stop()
	err := <-w.served
	return errors.Join(err, w.engine.Close(), w.http.Close(), w.audit.Close())
}

// inHTTP2 is one of how many conversations is by HTTP/2.
const inHTTP2 = 16

// conversation is a plan, or a talk by HTTP/2.
type conversation interface {
	play(*world) error
	String() string
}

// newConversation makes the conversation of a seed, always the same one.
func newConversation(seed uint64) conversation {
	if seed%inHTTP2 == 0 {
		return newTalk(seed)
	}
	return newPlan(seed)
}

// handler answers what safesock itself asks the Engine about containers, and
// HTTP/2.
func (w *world) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET localhost/containers/{id}/json", func(a http.ResponseWriter, r *http.Request) {
		a.Header().Set("Connection", "close") // leaves no idle connection
		fmt.Fprintf(a, `{"Id":%q,"Name":"/web","State":{"Status":"running"},"Config":{},"HostConfig":{},"Mounts":[],"NetworkSettings":{}}`, r.PathValue("id"))
	})
	mux.HandleFunc("GET localhost/exec/{id}/json", func(a http.ResponseWriter, r *http.Request) {
		a.Header().Set("Connection", "close")
		fmt.Fprintf(a, `{"ID":%q,"ContainerID":%q,"ProcessConfig":{}}`, r.PathValue("id"), container)
	})
	mux.HandleFunc("GET localhost/version", func(a http.ResponseWriter, r *http.Request) {
		a.Header().Set("Connection", "close")
		fmt.Fprint(a, `{"Version":"29.2.0","ApiVersion":"1.53","Components":[]}`)
	})
	mux.HandleFunc("/", w.answerHTTP2)
	return mux
}

func hostOf(seed uint64) string { return fmt.Sprintf("wire-%d", seed) }

// await gives the Engine's connections of a seed.
func (w *world) await(seed uint64) <-chan *peeked {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := make(chan *peeked, 1)
	w.awaited[hostOf(seed)] = calls
	return calls
}

func (w *world) forget(seed uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.awaited, hostOf(seed))
}

// accept takes the Engine's connections.
func (w *world) accept() {
	for {
		conn, err := w.engine.Accept()
		if err != nil {
			return
		}
		go w.route(conn)
	}
}

// route hands over a connection by the Host that its first request has in its
// second line, as those of plans do, and those of Go. HTTP/2 has none there.
func (w *world) route(conn net.Conn) {
	p := &peeked{conn, bufio.NewReader(conn)}
	_ = conn.SetReadDeadline(time.Now().Add(patience)) // cannot fail on an open socket
	host, err := p.host()
	if err != nil {
		conn.Close()
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	w.mu.Lock()
	calls, planned := w.awaited[host]
	w.mu.Unlock()
	if !planned {
		w.others.conns <- p
		return
	}
	select {
	case calls <- p:
	default: // one client has one connection
		conn.Close()
	}
}

// peeked is a connection of which some bytes were read ahead of their use.
type peeked struct {
	net.Conn
	in *bufio.Reader
}

func (p *peeked) Read(b []byte) (int, error) { return p.in.Read(b) }

// host gives the Host in the second line, which is left to be read.
func (p *peeked) host() (string, error) {
	for n := 1; ; n = p.in.Buffered() + 1 {
		if _, err := p.in.Peek(n); err != nil {
			return "", err
		}
		b, _ := p.in.Peek(p.in.Buffered())
		if lines := bytes.SplitN(b, []byte("\r\n"), 3); len(lines) == 3 {
			host, _ := bytes.CutPrefix(lines[1], []byte("Host: "))
			return string(host), nil
		}
	}
}

// listener gives an http.Server connections that were accepted elsewhere.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	close(l.closed)
	return nil
}

func (l *listener) Addr() net.Addr { return &net.UnixAddr{Net: "unix"} }
