package proxy

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/safesock/safesock/host"
	"github.com/safesock/safesock/rewrite"
)

// connection pairs a client with a connection of its own to the Engine. The
// requests goroutine moves what the client sends, the answers goroutine what
// the Engine sends. There is one exchange at a time: requests sends the next
// request once it has the verdict on the answer before, however early the
// client sent it.
type connection struct {
	server *Server
	client *socket
	engine *socket // nil until the first request is forwarded
	peer   *host.Peer

	exchanges chan exchange // from requests to answers
	verdicts  chan verdict  // from answers to requests; closed with the last answer
	answerer  errgroup.Group
	phase     atomic.Int32          // idle, busy or closing
	halves    atomic.Int32          // how many of the two are open: the exchange's request, its answer
	failure   atomic.Pointer[error] // why a request was given up halfway, for the client

	call *intercepted // the last intercepted call

	cutting sync.Mutex // held to set engine and isCut, and by another goroutine to read engine
	isCut   bool       // the connection was cut, and engine stays as it is
}

// The phases of a connection. The end of serving closes an idle one.
const (
	idle int32 = iota
	busy
	closing
)

// exchange is what the answers goroutine has to know of a request.
type exchange struct {
	toHEAD    bool         // the answer has no body
	continued bool         // safesock has sent the client 100 Continue
	call      *intercepted // nil if the request was forwarded unread
}

// debt is what the Engine owes after a request.
type debt int

const (
	nothing   debt = iota
	anAnswer       // the client's next bytes are its next request
	anUpgrade      // or its refusal: the answer decides what the client's next bytes are
)

// verdict is what an answer means for the bytes after it.
type verdict int

const (
	lastAnswer  verdict = iota // the connection ends
	nextRequest                // another exchange follows
	rawStream                  // both sides stop speaking HTTP
	http2Stream                // both sides go on with HTTP/2
)

func newConnection(s *Server, conn *net.UnixConn) (*connection, error) {
	client, err := newSocket(conn)
	if err != nil {
		return nil, err
	}
	p, err := host.PeerOf(client.raw)
	if err != nil {
		return nil, err
	}
	return &connection{
		server:    s,
		client:    client,
		peer:      p,
		exchanges: make(chan exchange, 1),
		verdicts:  make(chan verdict, 1),
	}, nil
}

func (c *connection) drain() {
	if c.phase.CompareAndSwap(idle, closing) {
		c.client.Close()
	}
}

// cut closes both sockets: the Engine may not read what is written to it.
func (c *connection) cut() {
	c.cutting.Lock()
	defer c.cutting.Unlock()
	c.isCut = true
	c.client.Close()
	if c.engine != nil {
		c.engine.Close()
	}
}

// dial connects to the Engine.
func (c *connection) dial() error {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: c.server.Upstream, Net: "unix"})
	if err != nil {
		return unreachable(err)
	}
	engine, err := newSocket(conn)
	if err != nil {
		return unreachable(err)
	}
	c.cutting.Lock()
	defer c.cutting.Unlock()
	if c.isCut {
		conn.Close()
		return net.ErrClosed
	}
	c.engine = engine
	return nil
}

// begin marks the beginning of an exchange. It returns net.ErrClosed if serving
// has ended.
func (c *connection) begin() error {
	if !c.phase.CompareAndSwap(idle, busy) {
		return net.ErrClosed
	}
	c.halves.Store(1) // the request; expectAnswer adds its answer
	return nil
}

// halfDone marks the end of a request or of its answer. It reports whether both
// have ended and the connection has to end, too, because serving ends.
func (c *connection) halfDone() bool {
	if c.halves.Add(-1) > 0 {
		return false
	}
	c.phase.Store(idle)
	return c.server.draining.Load() && c.phase.CompareAndSwap(idle, closing)
}

// forward sends on the pending request with this head.
func (c *connection) forward(h head) error {
	if err := relay(c.engine, c.client, h, h.requestFraming(), chunks{}); err != nil {
		return c.moveFailed(err)
	}
	return nil
}

// moveFailed handles an error of moving the client's bytes to the Engine, and
// returns the error that ends the connection.
func (c *connection) moveFailed(err error) error {
	switch {
	case isWrite(err):
		// The Engine takes no more bytes. Its answer may still come.
		c.client.awaitGone()
	case isClosed(err):
		return c.clientEnded()
	default:
		c.failure.Store(&err)
	}
	return err
}

// clientEnded passes on that the client sends no more, and waits until the
// client has closed its socket: the Engine may still answer. It returns io.EOF.
func (c *connection) clientEnded() error {
	if c.engine != nil {
		_ = c.engine.CloseWrite()
		c.client.awaitGone()
	}
	return io.EOF
}

// errRefused ends a connection whose client has been told why.
var errRefused = errors.New("the request was refused")

// A refused client that does not close its socket has it closed after this time
// or this many bytes. net/http has similar bounds.
const (
	lingerTime  = time.Second
	lingerBytes = 4 << 20
)

// refuseUnread refuses a request that no rule has looked at, and writes that to
// the audit log.
func (c *connection) refuseUnread(match rewrite.Match, why error, toHEAD bool) error {
	c.server.recordRefusal(match, c.peer, why)
	return c.refuse(why, toHEAD)
}

// refuse answers a request in the Engine's place, and returns the error that
// ends the connection: the bytes behind the request could be anything.
func (c *connection) refuse(why error, toHEAD bool) error {
	if isClosed(why) {
		return c.clientEnded()
	}
	status, reason := statusOf(why)
	c.server.log().Debug("refused", slog.Any("reason", why), slog.Int("pid", c.peer.PID))
	if _, err := c.client.Write(errorAnswer(status, reason, toHEAD, true)); err != nil {
		return err
	}
	if err := c.client.CloseWrite(); err != nil {
		return err
	}
	// A client that is still writing when its socket is closed fails before it
	// has read its answer.
	if err := c.client.SetReadDeadline(time.Now().Add(lingerTime)); err != nil {
		return err
	}
	for left := lingerBytes; left > 0; {
		c.client.use(len(c.client.pending))
		if err := c.client.fill(); err != nil {
			return errRefused
		}
		left -= len(c.client.pending)
	}
	c.client.awaitGone()
	return errRefused
}

// serveHTTP2 serves a client whose next bytes are HTTP/2's preface, until its
// connection ends: then it returns io.EOF. Calls go to the Engine over the
// connection that dial returns. If refused is not nil, each call is refused with
// it. Meanwhile the HTTP/2 session stands in the connection's place at the server.
func (c *connection) serveHTTP2(dial dialer, refused error) error {
	s := newHTTP2Session(c.server, c.client, c.peer, dial, refused)
	c.server.replace(c, s)
	defer c.server.replace(s, c)
	if c.server.draining.Load() {
		return net.ErrClosed
	}
	return s.serve()
}

// end closes the connection. After an error it hangs up on the Engine. Without an
// error it waits for the last answer.
func (c *connection) end(err error) {
	c.logEnd(err)
	if c.engine != nil {
		if err != nil {
			c.engine.Close()
		}
		c.logEnd(c.answerer.Wait())
		select {
		case e := <-c.exchanges: // the Engine had hung up before the request
			c.explainEnd(e, io.EOF)
		default:
		}
		c.engine.Close()
		c.engine.use(len(c.engine.pending))
	}
	c.client.Close()
	c.client.use(len(c.client.pending))
	c.call.done()
	c.server.shares.give(c.peer.UID, perConnection)
	c.server.remove(c)
}

// logEnd logs the error that ended a half of the connection, unless a side hung
// up or the request was refused, which has been logged.
func (c *connection) logEnd(err error) {
	if err != nil && err != errRefused && !isClosed(err) {
		c.server.log().Debug("connection ended", slog.Any("error", err), slog.Int("pid", c.peer.PID))
	}
}

// explainEnd tells a client that waits for an answer why there will be none.
func (c *connection) explainEnd(e exchange, err error) {
	status, reason := http.StatusBadGateway, "safesock: the Engine at "+c.server.Upstream+" hung up without an answer"
	if failure := c.failure.Load(); failure != nil {
		status, reason = statusOf(*failure)
	} else if !isClosed(err) {
		reason = "safesock: the Engine's answer cannot be passed on: " + err.Error()
	}
	e.call.logAnswer(status, "")
	_, _ = c.client.Write(errorAnswer(status, reason, e.toHEAD, true)) // the connection ends anyway
}
