package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/safesock/safesock/rewrite"
)

// expectAnswer has the answers goroutine pass on the answer to the request that
// is about to be forwarded. The first time, it connects to the Engine, and starts
// the goroutine once the exchange is queued: otherwise an Engine that hangs up at
// once would seem to do so before any request.
func (c *connection) expectAnswer(e exchange) error {
	if c.engine == nil {
		if err := c.dial(); err != nil {
			return err
		}
		defer c.answerer.Go(c.answers)
	}
	c.halves.Add(1)
	c.exchanges <- e
	return nil
}

// answers moves the Engine's answers, until a side ends or the connection
// becomes a raw stream.
func (c *connection) answers() error {
	defer close(c.verdicts)
	for {
		next, err := c.moveAnswer()
		switch {
		case err == io.EOF:
			c.engineEnded()
			return err
		case err != nil || next == lastAnswer:
			c.client.Close()
			return err
		case next == http2Stream:
			c.verdicts <- next
			return nil
		case next == rawStream:
			c.answerer.Go(c.rawAnswers)
			c.verdicts <- next
			return nil
		}
		c.verdicts <- next
	}
}

// rawAnswers moves what the Engine sends once the connection is a raw stream.
func (c *connection) rawAnswers() error {
	err := moveAll(c.client, c.engine)
	if err != nil {
		c.client.Close()
		return err
	}
	c.engineEnded()
	return nil
}

// engineEnded passes on that the Engine sends no more, and closes the client's
// socket once the Engine has closed its own. An Engine that does not want the
// rest of a body keeps its socket open for a while, so that the client can read
// the answer before writing fails (net/http: closeWriteAndWait).
func (c *connection) engineEnded() {
	_ = c.client.CloseWrite()
	c.engine.awaitGone()
	c.client.Close()
}

var errSwitched = errors.New("it switches protocols where no call may")

// moveAnswer moves one answer. io.EOF means that the Engine sends no more.
func (c *connection) moveAnswer() (verdict, error) {
	var err error
	if len(c.engine.pending) == 0 {
		err = c.engine.fill()
	}
	var e exchange
	select {
	case e = <-c.exchanges:
	default: // the Engine hung up, or speaks out of turn
		return lastAnswer, err
	}
	h, err := c.answerHead(e)
	if err != nil {
		return lastAnswer, err
	}
	if becomesRaw(h, e.call.traits()) {
		e.call.logAnswer(h.status, "")
		// The head goes by itself: docker-py loses stream bytes that come with it.
		next := rawStream
		if e.call.traits()&rewrite.HTTP2 != 0 {
			next = http2Stream
		}
		return next, send(c.client, c.engine, len(h.raw))
	}
	if h.status == http.StatusSwitchingProtocols {
		c.explainEnd(e, errSwitched)
		return lastAnswer, errSwitched
	}
	how := h.answerFraming(e.toHEAD)
	if err := c.passOn(h, how, e.call); err != nil {
		return lastAnswer, err
	}
	if how == byClose {
		return lastAnswer, io.EOF
	}
	if c.halfDone() {
		return lastAnswer, nil
	}
	return nextRequest, nil
}

// answerHead waits for the head of the final answer, and passes on
// informational answers before it. If there is no such head, it tells the
// client.
func (c *connection) answerHead(e exchange) (head, error) {
	for {
		raw, err := c.engine.head()
		if err != nil {
			c.explainEnd(e, err)
			return head{}, err
		}
		h, err := parseAnswer(raw)
		if err != nil {
			c.explainEnd(e, err)
			return head{}, fmt.Errorf("the Engine's answer: %w", err)
		}
		switch {
		case h.status >= 200 || h.status == http.StatusSwitchingProtocols:
			return h, nil
		case h.status == http.StatusContinue && e.continued:
			e.continued = false
			c.engine.use(len(raw))
		default:
			if err := send(c.client, c.engine, len(raw)); err != nil {
				return head{}, err
			}
		}
	}
}

// becomesRaw reports whether both sides stop speaking HTTP/1 after this answer.
// It is an upgrade, or a hijack as the Engine does it for a request without an
// Upgrade field.
func becomesRaw(h head, traits rewrite.Traits) bool {
	switch h.status {
	case http.StatusSwitchingProtocols:
		return traits&rewrite.Upgrades != 0
	case http.StatusOK:
		return traits&rewrite.Hijacks != 0 && h.length < 0 && !h.chunked &&
			(string(h.contentType) == "application/vnd.docker.raw-stream" ||
				string(h.contentType) == "application/vnd.docker.multiplexed-stream")
	}
	return false
}

// passOn moves an answer to the client, and logs it. An answer with a place for
// its call's warnings gets them, and an error the client's own names.
func (c *connection) passOn(h head, how framing, x *intercepted) error {
	defer x.done()
	limit := x.editable(h.status)
	if limit == 0 {
		x.logAnswer(h.status, "")
		return relay(c.client, c.engine, h, how, chunks{extensions: true})
	}
	if h.length < 0 || h.length > c.server.memory.answers.smallest {
		room, err := c.server.memory.answers.take(limit, c.engine.waiting)
		if err != nil {
			return err
		}
		defer room.keep(0)
	}
	n, body, err := c.engine.message(h, how, limit)
	if err != nil && err != errTooLong { // the answer broke off
		x.logAnswer(h.status, "")
		_ = send(c.client, c.engine, len(c.engine.pending)) // the connection ends anyway
		return err
	}
	edited, id := x.edit(h.status, body)
	x.logAnswer(h.status, id)
	if bytes.Equal(edited, body) {
		return relay(c.client, c.engine, h, how, chunks{extensions: true})
	}
	_, err = c.client.Write(append(withLength(h.raw, len(edited)), edited...))
	c.engine.use(n)
	return err
}
