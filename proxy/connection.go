package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/safesock/safesock/host"
	"github.com/safesock/safesock/rewrite"
)

// connection pairs one client with one connection to the Engine. Its requests
// goroutine moves what the client sends, its answers goroutine what the Engine
// sends. There is one exchange at a time: requests learns from answered that
// it may send the next one, however early the client did.
type connection struct {
	server *Server
	client *stream
	engine *stream // nil until the first request
	peer   *host.Peer

	asked    chan question
	answered chan verdict
	answerer errgroup.Group
	phase    atomic.Int32            // idle, busy or closing
	halves   atomic.Int32            // of an exchange that are not over: the request, the answer
	failure  atomic.Pointer[error]   // why a request was given up halfway, for the client
	streams  atomic.Pointer[streams] // of a client that speaks HTTP/2
}

// The phases of a connection. Only an idle one is closed when serving ends.
const (
	idle int32 = iota
	busy
	closing
)

// question is what the answers goroutine has to know of a request.
type question struct {
	head        bool         // the method is HEAD: the answer has no body
	continued   bool         // the client has had its 100 Continue
	intercepted *intercepted // nil if the call was forwarded unread
}

// verdict is what an answer means for what comes after it.
type verdict int

const (
	nextRequest verdict = iota // the connection can carry another exchange
	rawStream                  // both sides stop speaking HTTP
	lastAnswer                 // the connection ends
)

// debt is what the Engine owes after a request.
type debt int

const (
	nothing debt = iota
	anAnswer
	aVerdict // the answer decides what the client's next bytes are
)

func newConnection(s *Server, conn *net.UnixConn) (*connection, error) {
	client, err := newStream(conn)
	if err != nil {
		return nil, err
	}
	p, err := host.PeerOf(client.raw)
	if err != nil {
		return nil, err
	}
	return &connection{
		server:   s,
		client:   client,
		peer:     p,
		asked:    make(chan question, 1),
		answered: make(chan verdict, 1),
	}, nil
}

// serve moves bytes until both sides are done. A raw stream may last for days,
// so it gets goroutines of its own, whose stacks have not grown.
func (c *connection) serve() {
	next, err := c.requests()
	if next == rawStream {
		c.server.clients.Go(c.rawRequests)
		return
	}
	c.end(err)
}

// rawRequests moves what the client sends once the connection is a raw stream.
func (c *connection) rawRequests() error {
	err := moveAll(c.engine, c.client)
	if err != nil {
		err = c.ended(err)
	} else {
		err = c.clientEnded()
	}
	c.end(err)
	return nil
}

// end waits for the answers goroutine, after hanging up on the Engine if there
// was an error: without one it ends by itself.
func (c *connection) end(err error) {
	if c.engine != nil {
		if err != nil {
			c.engine.Close()
		}
		err = errors.Join(err, c.answerer.Wait())
		c.engine.Close()
		c.engine.use(len(c.engine.pending))
	}
	c.client.Close()
	c.client.use(len(c.client.pending))
	c.server.remove(c)
	if err != nil && !isClosed(err) {
		c.server.log().Debug("connection ended", slog.Any("error", err), slog.Int("pid", c.peer.PID))
	}
}

// requests moves the client's bytes, until they end or are no longer requests.
func (c *connection) requests() (next verdict, err error) {
	for owed := nothing; ; {
		if len(c.client.pending) == 0 && owed != aVerdict {
			if err := c.client.fill(); err == io.EOF {
				return lastAnswer, c.clientEnded()
			} else if err != nil {
				return lastAnswer, err
			}
		}
		if owed != nothing {
			if next, err := c.awaitAnswer(owed); err != nil || next != nextRequest {
				return next, err
			}
			owed = nothing
			continue
		}
		if !c.phase.CompareAndSwap(idle, busy) {
			return lastAnswer, net.ErrClosed
		}
		c.halves.Store(1)
		raw, err := c.client.head()
		if err != nil {
			return lastAnswer, c.refuseUnread(rewrite.Match{}, err, false)
		}
		if c.engine == nil && string(raw) == prefaceHead {
			if err := c.http2(); err != nil {
				return lastAnswer, c.refuse(err, false)
			}
			return lastAnswer, nil
		}
		if owed, err = c.exchange(raw); err != nil {
			return lastAnswer, err
		}
		if c.halfDone() {
			return lastAnswer, net.ErrClosed
		}
	}
}

// awaitAnswer waits until an answer has gone to the client, and returns what
// comes after it. While the answer decides what the client's next bytes are,
// none of them is read, but a client that leaves is noticed.
func (c *connection) awaitAnswer(owed debt) (next verdict, err error) {
	gone := context.Background()
	if owed == aVerdict {
		client, stop := c.client.waiting()
		defer stop()
		gone = client
	}
	select {
	case v, ok := <-c.answered:
		if !ok {
			return lastAnswer, nil
		}
		return v, nil
	case <-gone.Done():
		return lastAnswer, io.EOF
	}
}

// halfDone marks the end of a request or of its answer, whichever comes first.
// It reports whether the exchange is over and the connection has to end with it.
func (c *connection) halfDone() bool {
	if c.halves.Add(-1) > 0 {
		return false
	}
	c.phase.Store(idle)
	return c.server.draining.Load() && c.phase.CompareAndSwap(idle, closing)
}

// errHandled ends a connection whose client has been told why.
var errHandled = fmt.Errorf("refused: %w", io.EOF)

// refuseUnread refuses a request that no rule has looked at, and writes that to
// the audit log.
func (c *connection) refuseUnread(match rewrite.Match, reason error, toHEAD bool) error {
	c.server.recordRefusal(match, c.peer, reason)
	return c.refuse(reason, toHEAD)
}

// refuse answers a request that goes no further and ends the connection, whose
// next bytes could be anything.
func (c *connection) refuse(reason error, toHEAD bool) error {
	if isClosed(reason) {
		return c.clientEnded()
	}
	status, words := statusOf(reason)
	c.server.log().Debug("refused", slog.Any("reason", reason), slog.Int("pid", c.peer.PID))
	_, err := c.client.Write(errorAnswer(status, words, toHEAD, true))
	if err == nil {
		err = c.client.CloseWrite()
	}
	if err != nil {
		return err
	}
	// A client that is still writing when its socket closes fails before it has
	// read its answer.
	if err := c.client.SetReadDeadline(time.Now().Add(lingerTime)); err != nil {
		return err
	}
	for left := lingerBytes; left > 0; {
		c.client.use(len(c.client.pending))
		if err := c.client.fill(); err != nil {
			return errHandled
		}
		left -= len(c.client.pending)
	}
	c.client.awaitGone()
	return errHandled
}

// How long a refused client's socket stays open if the client does not close
// it, and how much is read of it; net/http has similar bounds.
const (
	lingerTime  = time.Second
	lingerBytes = 4 << 20
)

// exchange sends one request to the Engine, or answers it here. It tells
// what the Engine owes then.
func (c *connection) exchange(raw []byte) (debt, error) {
	h, err := parseRequest(raw)
	if err != nil {
		return nothing, c.refuseUnread(rewrite.Match{}, err, false)
	}
	target, err := url.ParseRequestURI(string(h.target))
	if err != nil {
		return nothing, c.refuseUnread(rewrite.Match{Method: string(h.method)}, bad("the request target: %v", err), isHEAD(h))
	}
	match, err := rewrite.Route(string(h.method), target)
	if err != nil {
		return nothing, c.refuseUnread(match, err, isHEAD(h))
	}
	p := c.server.policy.Load()
	if match.Endpoint != nil || p.Filters() {
		return c.intercept(h, p, match)
	}
	if err := c.ask(question{head: isHEAD(h)}); err != nil {
		return nothing, c.refuse(err, isHEAD(h))
	}
	return anAnswer, c.forward(h)
}

// forward sends a request on as it came.
func (c *connection) forward(h head) error {
	err := relay(c.engine, c.client, h, h.requestFraming(), chunks{})
	if err != nil {
		return c.ended(err)
	}
	return nil
}

// ask tells the answers goroutine what to expect, and connects to the Engine
// if this is the first request.
func (c *connection) ask(q question) error {
	if c.engine == nil {
		conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: c.server.Upstream, Net: "unix"})
		if err == nil {
			c.engine, err = newStream(conn)
		}
		if err != nil {
			return &malformed{http.StatusBadGateway, "cannot reach the Engine: " + err.Error() + "; is it running?"}
		}
		c.answerer.Go(c.answers)
	}
	c.halves.Add(1)
	c.asked <- q
	return nil
}

// ended is what becomes of the connection once the client's bytes could not be
// moved.
func (c *connection) ended(err error) error {
	switch {
	case isWrite(err):
		// The Engine takes no more. What it has to say is still to come.
		c.client.awaitGone()
		return errHandled
	case isClosed(err):
		return c.clientEnded()
	}
	c.failure.Store(&err)
	return err
}

// clientEnded passes on that the client sends no more. The Engine may still
// answer, until the client is gone altogether.
func (c *connection) clientEnded() error {
	if c.engine != nil {
		_ = c.engine.CloseWrite()
		c.client.awaitGone()
	}
	return io.EOF
}

func isHEAD(h head) bool { return string(h.method) == http.MethodHead }
