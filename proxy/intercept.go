package proxy

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite"
)

// intercept reads a call, has the policy decide it, and sends on the call as it
// was edited.
func (c *connection) intercept(h head, target *url.URL, p *policy.Policy, match rewrite.Match) (debt, error) {
	x := &intercepted{server: c.server, peer: c.peer, endpoint: match.Endpoint}
	c.call.done()
	c.call = x
	defer x.body.keep(0)
	e := exchange{toHEAD: h.isHEAD(), call: x}
	fields, err := h.fields()
	if err != nil {
		return nothing, c.refuseUnread(match, bad("%v", err), e.toHEAD)
	}
	how, n, body := h.requestFraming(), len(h.raw), []byte(nil)
	if match.ReadsBody(fields) {
		if h.expects && how != noBody && len(c.client.pending) == n {
			e.continued = true
			if _, err := c.client.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n")); err != nil {
				return nothing, err
			}
		}
		if n, body, err = c.body(h, how, &x.body); err == errTooLong {
			err = c.server.tooLong()
		}
		if err != nil {
			return nothing, c.refuseUnread(match, err, e.toHEAD)
		}
	}
	call := rewrite.Call{Match: match, URL: target, Header: fields, Body: body}
	result, refused := x.decide(p, call, c.client.waiting)
	switch {
	case refused == nil:
	case how == noBody && asksForGRPC(match, fields):
		return nothing, c.refuseGRPC(h, refused)
	case !match.ReadsBody(fields) || h.last:
		return nothing, c.refuse(refused, e.toHEAD)
	default:
		c.client.use(n)
		status, reason := statusOf(refused)
		_, err := c.client.Write(errorAnswer(status, reason, e.toHEAD, false))
		return nothing, err
	}
	if err := c.expectAnswer(e); err != nil {
		status, _ := statusOf(err)
		x.logAnswer(status, "")
		return nothing, c.refuse(err, e.toHEAD)
	}
	if h, err = c.edit(h, n, call, result); err != nil {
		return nothing, err
	}
	if x.traits()&(rewrite.Upgrades|rewrite.Hijacks) != 0 {
		return anUpgrade, c.forward(h)
	}
	return anAnswer, c.forward(h)
}

// body reads the body of an intercepted call, for which it takes room.
func (c *connection) body(h head, how framing, r *room) (n int, body []byte, err error) {
	memory, limit, most := c.server.memory, c.server.bodyLimit(), h.length
	switch how {
	case noBody:
		return len(h.raw), nil, nil
	case byChunks:
		most = min(limit, memory.bodies.smallest) // as most are
	}
	for ; most <= limit; most = limit {
		before := *r
		if *r, err = memory.bodies.take(most, c.client.waiting); err != nil {
			return 0, nil, err
		}
		before.keep(0)
		stop := memory.hurry(func() { _ = c.client.SetReadDeadline(time.Unix(1, 0)) })
		n, body, err = c.client.message(h, how, most)
		if stop() {
			_ = c.client.SetReadDeadline(time.Time{})
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = errSlow
			}
		}
		if err != errTooLong || most == limit {
			return n, body, err
		}
	}
	return 0, nil, errTooLong
}

// edit replaces the call's n pending bytes, which begin with this head, by the
// edited call, and returns its head. What was not edited stays as it is.
func (c *connection) edit(h head, n int, call rewrite.Call, result rewrite.Result) (head, error) {
	raw := h.raw
	if result.Target != call.URL.RequestURI() {
		raw = h.withTarget(result.Target)
	}
	switch {
	case !bytes.Equal(result.Body, call.Body):
		raw = withLength(raw, len(result.Body))
		c.client.replace(n, append(raw, result.Body...))
	case !bytes.Equal(raw, h.raw):
		c.client.replace(len(h.raw), raw)
	default:
		return h, nil
	}
	return parseRequest(c.client.pending[:len(raw)])
}

// asksForGRPC reports whether a request asks for the only upgrade that the
// Engine makes of POST /grpc (moby: serveGRPC).
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
	return c.serveHTTP2(nil, why)
}
