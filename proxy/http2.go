package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
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
		return &malformed{http.StatusHTTPVersionNotSupported, "only HTTP/1.0, HTTP/1.1 and HTTP/2 are understood"}
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

// asksForGRPC tells whether a request asks for the one upgrade that the Engine
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

// ServeHTTP moves one stream, or refuses it.
func (s *streams) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.open.TryRLock() {
		panic(http.ErrAbortHandler)
	}
	defer s.open.RUnlock()
	if s.refused != nil {
		s.refuse(w, r, s.refused)
		return
	}
	x, out, err := s.read(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	answer, err := s.engine.RoundTrip(out)
	if err != nil {
		if s.engine.Available() == 0 { // the Engine goes away
			s.goAway()
		}
		s.answered(x, http.StatusBadGateway, "")
		s.refuse(w, r, &malformed{http.StatusBadGateway, "the Engine at " + s.server.Upstream + " gave no answer: " + err.Error()})
		return
	}
	defer answer.Body.Close()
	s.tell(w, answer, x)
}

// read reads a request, has the policy decide it if it is an intercepted call,
// and gives what the Engine is to be sent.
func (s *streams) read(r *http.Request) (*intercepted, *http.Request, error) {
	switch {
	case r.Method == http.MethodConnect:
		return nil, nil, bad("the Engine has no CONNECT")
	case r.RequestURI[0] != '/' && r.RequestURI != "*":
		return nil, nil, bad("the path does not begin with a slash")
	}
	match, err := rewrite.RouteHTTP2(r.Method, r.URL, r.Header)
	if err != nil {
		return nil, nil, err
	}
	p := s.server.policy.Load()
	if match.Endpoint == nil && !p.Filters() {
		return nil, s.request(r, r.RequestURI, r.Body, r.ContentLength), nil
	}
	call := rewrite.Call{Match: match, URL: r.URL, Header: r.Header, Client: clientOf(s.peer)}
	streams := match.Endpoint == nil || match.Endpoint.Traits&rewrite.Streams != 0
	if !streams {
		if call.Body, err = s.server.wholeBody(r); err != nil {
			return nil, nil, err
		}
	}
	x := &intercepted{endpoint: match.Endpoint, peer: s.peer}
	result, err := s.server.decide(p, call, x, func() (context.Context, func()) { return r.Context(), func() {} })
	if err != nil {
		return nil, nil, err
	}
	target := r.RequestURI
	if result.Target != r.URL.RequestURI() {
		target = result.Target
	}
	body, length := r.Body, r.ContentLength
	if !streams {
		body = io.NopCloser(bytes.NewReader(result.Body))
		if !bytes.Equal(result.Body, call.Body) {
			length = int64(len(result.Body))
		}
	}
	return x, s.request(r, target, body, length), nil
}

// wholeBody reads a body that is to be read whole.
func (s *Server) wholeBody(r *http.Request) ([]byte, error) {
	limit := s.bodyLimit()
	if r.ContentLength > limit {
		return nil, s.tooLong()
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	switch {
	case err != nil:
		return nil, bad("the body: %v", err)
	case int64(len(body)) > limit:
		return nil, s.tooLong()
	}
	return body, nil
}

// request is the client's request as the Engine gets it.
func (s *streams) request(r *http.Request, target string, body io.ReadCloser, length int64) *http.Request {
	path, query, has := strings.Cut(target, "?")
	u := &url.URL{Scheme: "http", Host: "localhost", Opaque: path, RawQuery: query, ForceQuery: has}
	if strings.HasPrefix(path, "//") { // would be taken for a host
		u.Opaque, u.RawPath = "", path
		u.Path, _ = url.PathUnescape(path) // it was parsed before
	}
	if _, ok := r.Header["User-Agent"]; !ok {
		r.Header["User-Agent"] = nil // or net/http would name itself
	}
	out := &http.Request{Method: r.Method, URL: u, Host: r.Host, Header: r.Header, ContentLength: length}
	if length != 0 {
		out.Body, out.Trailer = body, r.Trailer
	}
	return out.WithContext(r.Context())
}

// refuse answers a stream that goes no further: in gRPC's form if it is gRPC,
// so that BuildKit's clients show the reason, and else in the Engine's.
func (s *streams) refuse(w http.ResponseWriter, r *http.Request, why error) {
	status, reason := statusOf(why)
	s.server.log().Debug("refused", slog.Any("reason", why), slog.Int("pid", s.peer.PID))
	header := w.Header()
	header["Date"] = nil
	if rewrite.IsGRPC(r.Header) {
		header.Set("Content-Type", "application/grpc")
		header.Set("Grpc-Status", strconv.Itoa(grpcStatus(status)))
		header.Set("Grpc-Message", url.PathEscape(reason))
		return
	}
	body, err := json.Marshal(map[string]string{"message": reason})
	if err != nil {
		panic(err) // a string can always be encoded
	}
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // there is nobody to tell that the client is gone
}

// grpcStatus is the gRPC status code that says most nearly the same.
func grpcStatus(status int) int {
	switch status {
	case http.StatusBadRequest, http.StatusUnsupportedMediaType:
		return 3 // INVALID_ARGUMENT
	case http.StatusNotFound:
		return 5 // NOT_FOUND
	case http.StatusForbidden:
		return 7 // PERMISSION_DENIED
	case http.StatusBadGateway:
		return 14 // UNAVAILABLE
	}
	return 13 // INTERNAL
}

// answered logs what the Engine made of a call, if it was an intercepted one.
func (s *streams) answered(x *intercepted, status int, id string) {
	if x != nil {
		x.answered(s.server, status, id)
	}
}

// tell passes on an answer as it comes, or with warnings if it is of a call
// that has some and has a place for them.
func (s *streams) tell(w http.ResponseWriter, answer *http.Response, x *intercepted) {
	body := io.Reader(answer.Body)
	if x != nil && answer.StatusCode < 300 && x.endpoint != nil && x.endpoint.Traits&rewrite.Warns != 0 {
		first, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
		if err != nil {
			s.answered(x, answer.StatusCode, "")
			panic(http.ErrAbortHandler)
		}
		if len(first) <= maxAnswer {
			var id string
			first, id = rewrite.Warn(first, x.warnings)
			s.answered(x, answer.StatusCode, id)
			answer.Header.Set("Content-Length", strconv.Itoa(len(first)))
		} else {
			s.answered(x, answer.StatusCode, "")
		}
		body = io.MultiReader(bytes.NewReader(first), body)
	} else {
		s.answered(x, answer.StatusCode, "")
	}

	header := w.Header()
	header["Date"], header["Content-Type"] = nil, nil // or net/http would add its own
	maps.Copy(header, answer.Header)
	for name := range answer.Trailer {
		header.Add("Trailer", name)
	}
	w.WriteHeader(answer.StatusCode)
	if answer.ContentLength != 0 { // an answer that is all head stays so
		flush(w)
	}
	if err := moveBody(w, body); err != nil {
		panic(http.ErrAbortHandler)
	}
	for name, values := range answer.Trailer {
		header[http.TrailerPrefix+name] = values
	}
}

// moveBody writes what it reads as soon as it has it.
func moveBody(w http.ResponseWriter, body io.Reader) error {
	buffer := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buffer)
	for {
		n, err := body.Read(buffer[:])
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return err
			}
			flush(w)
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// flush sends what was written. If it cannot, the next write tells.
func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }
