package proxy

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/safesock/safesock/host"
)

// preface is what a client begins with that knows of the Engine's HTTP/2
// (RFC 9113, 3.4). It begins like a head of HTTP/1.
const (
	preface     = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	prefaceHead = "PRI * HTTP/2.0\r\n\r\n"
)

// http2Session is a client's connection that carries HTTP/2. net/http's server
// speaks with the client, and net/http's client with the Engine. ServeHTTP moves
// each stream from one to the other.
type http2Session struct {
	server  *Server
	client  *socket
	peer    *host.Peer
	dial    dialer           // connects to the Engine
	refused error            // what every call is refused with; nil if they go to the Engine
	engine  *http.ClientConn // of this client alone

	http     http.Server
	listener oneConn       // for http
	over     chan struct{} // closed once http has closed the client's connection
	leaving  atomic.Bool   // no more streams are taken
	streams  sync.RWMutex  // read-locked by each open stream
}

// dialer returns a connection to the Engine for HTTP/2.
type dialer func() (net.Conn, error)

// newHTTP2Session prepares a session for a client that is about to speak
// HTTP/2. If refused is not nil, each call is refused with it.
func newHTTP2Session(server *Server, client *socket, peer *host.Peer, dial dialer, refused error) *http2Session {
	s := &http2Session{
		server: server, client: client, peer: peer, dial: dial, refused: refused,
		listener: oneConn{conn: make(chan net.Conn, 1), closed: make(chan struct{})},
		over:     make(chan struct{}),
	}
	s.http = http.Server{
		Handler:                      s,
		DisableGeneralOptionsHandler: true,
		Protocols:                    onlyHTTP2(),
		ErrorLog:                     slog.NewLogLogger(server.log().Handler(), slog.LevelDebug),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch {
			case state == http.StateClosed:
				s.listener.Close()
				close(s.over)
			case state == http.StateIdle && s.leaving.Load():
				s.drain() // the first call may have come before http had the connection
			}
		},
	}
	return s
}

// serve connects to the Engine and moves streams until the client's connection
// ends: then it returns io.EOF. An error of another kind is for the client, to
// which nothing has been sent then.
func (s *http2Session) serve() error {
	if s.refused == nil {
		var err error
		if s.engine, err = dialHTTP2(s.dial, s.server.Upstream, s.client, s.drain); err != nil {
			return err
		}
	}
	s.listener.conn <- newReadAhead(s.client)
	_ = s.http.Serve(&s.listener) // returns once the listener is closed, always with an error
	if len(s.listener.conn) == 0 {
		<-s.over
	}
	if s.engine != nil {
		s.engine.Close()
	}
	s.streams.Lock() // waits for open streams, and keeps late ones out
	return io.EOF
}

// drain has the client open no more streams. Open streams go on.
func (s *http2Session) drain() {
	s.leaving.Store(true)
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.http.Shutdown(now) // tells the client; serve waits for the streams
}

func (s *http2Session) cut() { s.client.Close() }

// oneConn is a listener that accepts one connection.
type oneConn struct {
	conn   chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conn:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{Net: "unix"} }

// readAhead is a connection of which the first bytes have been read.
type readAhead struct {
	*net.UnixConn
	in io.Reader
}

// newReadAhead takes the socket's pending bytes over. http may still read while
// the socket's owner ends, so the two share no buffer.
func newReadAhead(s *socket) readAhead {
	early := bytes.Clone(s.pending)
	s.use(len(early))
	return readAhead{s.UnixConn, io.MultiReader(bytes.NewReader(early), s.UnixConn)}
}

func (r readAhead) Read(p []byte) (int, error) { return r.in.Read(p) }

// engineWindow is how much of one answer may wait here for its client, in
// bytes.
const engineWindow = 256 << 10

// dialHTTP2 connects to the Engine for a client, and finds out whether the
// Engine speaks HTTP/2. It returns io.EOF if the client leaves meanwhile. ended
// is called when the Engine hangs up later.
func dialHTTP2(dial dialer, upstream string, client *socket, ended func()) (*http.ClientConn, error) {
	transport := &http.Transport{
		Protocols:          onlyHTTP2(),
		DisableCompression: true,
		HTTP2:              &http.HTTP2Config{MaxReceiveBufferPerStream: engineWindow},
	}
	begins := make(chan error, 1)
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		conn, err := dial()
		return &engineConn{Conn: conn, begins: begins, ended: ended}, err
	}
	engine, err := transport.NewClientConn(context.Background(), "http", "localhost:80")
	if err != nil {
		return nil, unreachable(err)
	}
	gone, stop := client.waiting()
	defer stop()
	select {
	case err := <-begins:
		if err == nil {
			return engine, nil
		}
		engine.Close()
		return nil, &refusal{http.StatusHTTPVersionNotSupported, "the Engine at " + upstream + " does not speak HTTP/2; use HTTP/1.1"}
	case <-gone.Done():
		engine.Close()
		return nil, io.EOF
	}
}

// engineConn is a connection to the Engine that reports how it begins and when
// it ends.
type engineConn struct {
	net.Conn
	begins chan error // gets nil if the Engine begins with HTTP/2, and else an error; nil after that
	ended  func()
}

// Read is called by one goroutine of net/http.
func (e *engineConn) Read(p []byte) (int, error) {
	if e.begins == nil {
		n, err := e.Conn.Read(p)
		if err != nil {
			e.ended()
		}
		return n, err
	}
	const frameHead, typeAt, settings = 9, 3, 4 // RFC 9113, 4.1 and 6.5
	n, err := io.ReadAtLeast(e.Conn, p, frameHead)
	if err == nil && p[typeAt] != settings {
		err = http.ErrNotSupported
	}
	e.begins <- err
	e.begins = nil
	return n, err
}

func onlyHTTP2() *http.Protocols {
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	return &p
}
