package proxy

import (
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/safesock/safesock/rewrite"
)

// serve moves bytes until both sides are done. A raw stream may last for days,
// so it gets new goroutines, whose stacks have not grown.
func (c *connection) serve() {
	raw, err := c.requests()
	if raw {
		c.server.clients.Go(c.rawRequests)
		return
	}
	c.end(err)
}

// rawRequests moves what the client sends once the connection is a raw stream.
func (c *connection) rawRequests() error {
	err := moveAll(c.engine, c.client)
	if err != nil {
		err = c.moveFailed(err)
	} else {
		err = c.clientEnded()
	}
	c.end(err)
	return nil
}

// requests moves the client's requests, one exchange after the other. It
// returns when the connection has to end or has become a raw stream.
func (c *connection) requests() (raw bool, err error) {
	for {
		if err := c.awaitRequest(); err != nil {
			return false, err
		}
		if err := c.begin(); err != nil {
			return false, err
		}
		owed, err := c.request()
		if err != nil {
			return false, err
		}
		if c.halfDone() {
			return false, net.ErrClosed
		}
		next, err := c.awaitAnswer(owed)
		switch {
		case err != nil || next == lastAnswer || next == rawStream:
			return next == rawStream, err
		case next == http2Stream:
			return false, c.serveHTTP2(func() (net.Conn, error) { return newReadAhead(c.engine), nil }, nil)
		}
	}
}

// awaitRequest waits for the first bytes of a request.
func (c *connection) awaitRequest() error {
	if len(c.client.pending) > 0 {
		return nil
	}
	err := c.client.fill()
	if err == io.EOF {
		return c.clientEnded()
	}
	return err
}

// request reads one request, and sends it to the Engine or answers it here. It
// returns what the Engine owes then.
func (c *connection) request() (debt, error) {
	raw, err := c.client.head()
	if err != nil {
		return nothing, c.refuseUnread(rewrite.Match{}, err, false)
	}
	if c.engine == nil && string(raw) == prefaceHead {
		return nothing, c.refuse(c.http2(), false)
	}
	h, err := parseRequest(raw)
	if err != nil {
		return nothing, c.refuseUnread(rewrite.Match{}, err, false)
	}
	target, err := url.ParseRequestURI(string(h.target))
	if err != nil {
		return nothing, c.refuseUnread(rewrite.Match{Method: string(h.method)}, bad("the request target: %v", err), h.isHEAD())
	}
	match, err := rewrite.Route(string(h.method), target)
	if err != nil {
		return nothing, c.refuseUnread(match, err, h.isHEAD())
	}
	p := c.server.policy.Load()
	if match.Endpoint != nil || p.Filters() {
		return c.intercept(h, target, p, match)
	}
	if err := c.expectAnswer(exchange{toHEAD: h.isHEAD()}); err != nil {
		return nothing, c.refuse(err, h.isHEAD())
	}
	return anAnswer, c.forward(h)
}

// http2 serves a client that has sent the head of HTTP/2's preface. If the
// error is a refusal, the client is to be answered in HTTP/1, as an Engine
// without HTTP/2 answers: clients of BuildKit then go on to POST /grpc.
func (c *connection) http2() error {
	if err := c.client.await(len(preface)); err != nil {
		return err
	}
	if string(c.client.pending[:len(preface)]) != preface {
		why := &refusal{http.StatusHTTPVersionNotSupported, "only HTTP/1.0, HTTP/1.1 and HTTP/2 are understood"}
		c.server.recordRefusal(rewrite.Match{}, c.peer, why)
		return why
	}
	return c.serveHTTP2(func() (net.Conn, error) { return net.Dial("unix", c.server.Upstream) }, nil)
}

// awaitAnswer waits until what the Engine owes has gone to the client. A client
// that leaves meanwhile is noticed.
func (c *connection) awaitAnswer(owed debt) (verdict, error) {
	switch owed {
	case nothing:
		return nextRequest, nil
	case anAnswer:
		if err := c.awaitRequest(); err != nil {
			return lastAnswer, err
		}
		select {
		case next := <-c.verdicts: // usually it came before the next request
			return next, nil
		default:
		}
	}
	// No more of the client's bytes are read before the answer says what they are.
	gone, stop := c.client.waiting()
	defer stop()
	select {
	case next := <-c.verdicts:
		return next, nil
	case <-gone.Done():
		return lastAnswer, io.EOF
	}
}
