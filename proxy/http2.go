package proxy

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/safesock/safesock/host"
	"github.com/safesock/safesock/rewrite"
)

// preface is what a client begins with that knows of the Engine's HTTP/2
// (RFC 9113, 3.4). It begins like a head of HTTP/1.
const (
	preface     = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	prefaceHead = "PRI * HTTP/2.0\r\n\r\n"
)

// streams is a connection whose client speaks HTTP/2: net/http's server on the
// client's side, net/http's client on the Engine's, and what becomes of each
// stream between them.
type streams struct {
	server  *Server
	peer    *host.Peer
	http    http.Server
	engine  *http.ClientConn // of this client alone
	refused error            // why no stream goes further; there is no engine then, else nil
	leaving atomic.Bool      // no more streams are taken
	open    sync.RWMutex     // held for reading by each stream

	listener single
	over     chan struct{} // closed with the client's connection
}

// http2 serves a client that opens with HTTP/2's preface, if the Engine speaks
// HTTP/2 too. If not, the error is for the client, in HTTP/1 as such an Engine
// would answer itself: clients of BuildKit then go on to POST /grpc.
func (c *connection) http2() error {
	if err := c.client.await(len(preface)); err != nil {
		return err
	}
	if string(c.client.pending[:len(preface)]) != preface {
		err := &malformed{http.StatusHTTPVersionNotSupported, "only HTTP/1.0, HTTP/1.1 and HTTP/2 are understood"}
		c.server.recordRefusal(rewrite.Match{}, c.peer, err)
		return err
	}
	s := c.newStreams(nil)
	if c.server.draining.Load() {
		return net.ErrClosed
	}
	var err error
	if s.engine, err = c.dialHTTP2(s.goAway); err != nil {
		return err
	}
	s.serve(c.client)
	return nil
}

// asksForGRPC reports whether a request asks for the one upgrade that the Engine
// makes of POST /grpc (moby: serveGRPC).
func asksForGRPC(match rewrite.Match, header http.Header) bool {
	return match.Endpoint != nil && match.Endpoint.Name == "grpc" && header.Get("Upgrade") == "h2c"
}

// refuseGRPC makes that upgrade in the Engine's place, and refuses each call
// that comes over it, so that BuildKit's clients show the reason. A refused
// upgrade tells buildx that the Engine has no BuildKit: it goes on to start one
// in a privileged container, and shows only why that did not work.
func (c *connection) refuseGRPC(h head, why error) error {
	c.client.use(len(h.raw))
	if _, err := c.client.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")); err != nil {
		return err
	}
	s := c.newStreams(why)
	if c.server.draining.Load() {
		return net.ErrClosed
	}
	s.serve(c.client)
	return errHandled
}

// newStreams is for a client that is about to speak HTTP/2. It is kept for the
// end of serving to find.
func (c *connection) newStreams(refused error) *streams {
	s := &streams{
		server: c.server, peer: c.peer, refused: refused,
		listener: single{conn: make(chan net.Conn, 1), closed: make(chan struct{})}, over: make(chan struct{}),
	}
	s.http = http.Server{
		Handler:                      s,
		DisableGeneralOptionsHandler: true,
		Protocols:                    onlyHTTP2(),
		ErrorLog:                     slog.NewLogLogger(c.server.log().Handler(), slog.LevelDebug),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch {
			case state == http.StateClosed:
				s.listener.Close()
				close(s.over)
			case state == http.StateIdle && s.leaving.Load():
				s.goAway() // the connection was not yet known when it was called first
			}
		},
	}
	c.streams.Store(s)
	return s
}

// serve moves streams, until the client's connection ends.
func (s *streams) serve(client *stream) {
	s.listener.conn <- begun{client}
	_ = s.http.Serve(&s.listener) // ends when the listener is closed, and always with an error
	if len(s.listener.conn) == 0 {
		<-s.over
	}
	if s.engine != nil {
		s.engine.Close()
	}
	s.open.Lock() // waits for streams, and keeps late ones out
}

// goAway has the client open no more streams. Those that are open go on.
func (s *streams) goAway() {
	s.leaving.Store(true)
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.http.Shutdown(now) // only tells the client: http2 waits
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

// begun is a client's connection with the bytes that were read ahead.
type begun struct{ *stream }

func (b begun) Read(p []byte) (int, error) {
	if len(b.pending) == 0 {
		return b.UnixConn.Read(p)
	}
	n := copy(p, b.pending)
	b.use(n)
	return n, nil
}

// engineWindow is how much of one answer may wait here for its client.
const engineWindow = 256 << 10

// dialHTTP2 connects to the Engine, and tells apart whether it speaks HTTP/2.
// ended is called when the Engine hangs up later.
func (c *connection) dialHTTP2(ended func()) (*http.ClientConn, error) {
	transport := &http.Transport{
		Protocols:          onlyHTTP2(),
		DisableCompression: true,
		HTTP2:              &http.HTTP2Config{MaxReceiveBufferPerStream: engineWindow},
	}
	heard := make(chan error, 1)
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", c.server.Upstream)
		return &listened{Conn: conn, heard: heard, ended: ended}, err
	}
	engine, err := transport.NewClientConn(context.Background(), "http", "localhost:80")
	if err != nil {
		return nil, &malformed{http.StatusBadGateway, "cannot reach the Engine: " + err.Error() + "; is it running?"}
	}
	client, stop := c.client.waiting()
	select {
	case err = <-heard:
		if err != nil {
			err = &malformed{http.StatusHTTPVersionNotSupported, "the Engine at " + c.server.Upstream + " does not speak HTTP/2; use HTTP/1.1"}
		}
	case <-client.Done():
		err = io.EOF
	}
	stop()
	if err != nil {
		engine.Close()
		return nil, err
	}
	return engine, nil
}

// listened is the Engine's connection. It tells what the Engine begins with,
// and when it ends.
type listened struct {
	net.Conn
	heard chan error // nil once, if the Engine answers with HTTP/2; nil itself from then on
	ended func()
}

// Read is called by one goroutine of net/http.
func (l *listened) Read(p []byte) (int, error) {
	if l.heard == nil {
		n, err := l.Conn.Read(p)
		if err != nil {
			l.ended()
		}
		return n, err
	}
	const frameHead, typeAt, settings = 9, 3, 4 // RFC 9113, 4.1 and 6.5
	n, err := io.ReadAtLeast(l.Conn, p, frameHead)
	if err == nil && p[typeAt] != settings {
		err = http.ErrNotSupported
	}
	l.heard <- err
	l.heard = nil
	return n, err
}

func onlyHTTP2() *http.Protocols {
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	return &p
}
