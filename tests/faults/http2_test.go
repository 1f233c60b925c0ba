package faults

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// http2Engine is an Engine that speaks HTTP/2, too, and does not answer what
// safesock asks if answer is nil.
func http2Engine(answer http.HandlerFunc) func(*end) {
	return func(e *end) {
		l := &single{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
		c := &acted{end: e, closed: make(chan struct{})}
		l.conn <- c
		server := http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e.engine.note(r)
			switch {
			case answer == nil:
				<-r.Context().Done()
			case isLookup(r):
				w.Header().Set("Server", "Docker/28.5.2 (linux)")
				io.WriteString(w, lookedUp(r.URL.Path)[len(headOf(lookedUp(r.URL.Path))):])
			default:
				answer(w, r)
			}
		})}
		server.Protocols.SetHTTP1(true)
		server.Protocols.SetUnencryptedHTTP2(true)
		go server.Serve(l)
		<-c.closed
		server.Close()
	}
}

// single is a listener with one connection.
type single struct {
	conn   chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *single) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conn:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *single) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *single) Addr() net.Addr { return &net.UnixAddr{Net: "unix"} }

// acted is an Engine's connection that reports that it was closed.
type acted struct {
	*end
	once   sync.Once
	closed chan struct{}
}

func (c *acted) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.UnixConn.Close()
}

// http2 speaks HTTP/2 on a client's connection.
func (c *end) http2(t *testing.T) *http.ClientConn {
	t.Helper()
	transport := &http.Transport{
		Protocols:          new(http.Protocols),
		DisableCompression: true,
		DialContext:        func(context.Context, string, string) (net.Conn, error) { return c, nil },
	}
	transport.Protocols.SetUnencryptedHTTP2(true)
	h, err := transport.NewClientConn(context.Background(), "http", "docker:80")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// streams is a client that makes a call over HTTP/2, reads nothing of what it
// gets, and goes on once the Engine had a call.
func streams(method, path, until string, body io.Reader) func(*world, *end) {
	return func(w *world, c *end) {
		w.t.Helper()
		h := c.http2(w.t)
		r, err := http.NewRequest(method, "http://docker"+path, body)
		if err != nil {
			w.t.Fatal(err)
		}
		go h.RoundTrip(r)
		w.engine.await(w.t, until)
		time.Sleep(50 * time.Millisecond) // for the windows of both sides to fill
	}
}
