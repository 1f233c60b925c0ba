package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/safesock/safesock/rewrite"
)

// answers moves the Engine's answers, until one of both sides ends or the
// connection becomes a raw stream.
func (c *connection) answers() error {
	defer close(c.answered)
	for {
		next, err := c.answer()
		switch {
		case err == io.EOF:
			c.engineEnded()
			return err
		case err != nil || next == lastAnswer:
			c.client.Close()
			return err
		case next == rawStream:
			c.answerer.Go(c.rawAnswers)
			c.answered <- next
			return nil
		}
		c.answered <- next
	}
}

// engineEnded passes on that the Engine sends no more. An Engine that does not
// want the rest of a body keeps its socket open for a while, so that the client
// can read the answer before it fails to write (net/http: closeWriteAndWait).
func (c *connection) engineEnded() {
	_ = c.client.CloseWrite()
	c.engine.awaitGone()
	c.client.Close()
}

// answer moves one answer, and tells what comes after it. io.EOF means that the
// Engine sends no more.
func (c *connection) answer() (verdict, error) {
	var err error
	if len(c.engine.pending) == 0 {
		err = c.engine.fill()
	}
	var q question
	select {
	case q = <-c.asked:
	default: // the Engine hung up, or speaks out of turn
		return lastAnswer, err
	}
	h, err := c.answerHead(q)
	if err != nil {
		return lastAnswer, err
	}
	if becomesRaw(h, q) {
		q.intercepted.answered(c.server, h.status, "")
		// The head goes by itself: docker-py loses stream bytes that come with it.
		return rawStream, send(c.client, c.engine, len(h.raw))
	}
	if h.status == http.StatusSwitchingProtocols {
		c.explainEnd(q, errSwitched)
		return lastAnswer, errSwitched
	}
	how := h.answerFraming(q.head)
	if q.intercepted != nil {
		err = c.tell(h, how, q.intercepted)
	} else {
		err = relay(c.client, c.engine, h, how, chunks{extensions: true})
	}
	switch {
	case err != nil:
		return lastAnswer, err
	case how == byClose:
		return lastAnswer, io.EOF
	case c.halfDone():
		return lastAnswer, nil
	}
	return nextRequest, nil
}

// answerHead waits for the head of the final answer and passes informational
// ones on. If the Engine ends before, the client is told here.
func (c *connection) answerHead(q question) (head, error) {
	for {
		raw, err := c.engine.head()
		if err != nil {
			c.explainEnd(q, err)
			return head{}, err
		}
		h, err := parseAnswer(raw)
		if err != nil {
			c.explainEnd(q, err)
			return head{}, fmt.Errorf("the Engine's answer: %w", err)
		}
		switch {
		case h.status >= 200 || h.status == http.StatusSwitchingProtocols:
			return h, nil
		case h.status == http.StatusContinue && q.continued:
			q.continued = false
			c.engine.use(len(raw))
		default:
			if err := send(c.client, c.engine, len(raw)); err != nil {
				return head{}, err
			}
		}
	}
}

// explainEnd tells a client that still waits why there will be no answer.
func (c *connection) explainEnd(q question, err error) {
	status, reason := http.StatusBadGateway, "safesock: the Engine at "+c.server.Upstream+" hung up without an answer"
	if failure := c.failure.Load(); failure != nil {
		status, reason = statusOf(*failure)
	} else if !isClosed(err) {
		reason = "safesock: the Engine's answer cannot be passed on: " + err.Error()
	}
	if q.intercepted != nil {
		q.intercepted.answered(c.server, status, "")
	}
	_, _ = c.client.Write(errorAnswer(status, reason, q.head, true))
}

// becomesRaw reports whether both sides stop speaking HTTP after this answer:
// it was upgraded, or is a hijack as the Engine does it without Upgrade.
func becomesRaw(h head, q question) bool {
	if q.intercepted == nil || q.intercepted.endpoint == nil {
		return false
	}
	traits := q.intercepted.endpoint.Traits
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

var errSwitched = errors.New("it switches protocols where no call may")

// maxAnswer bounds the answers that warnings are added to. A longer one is
// passed on as it came.
const maxAnswer = 1 << 20

// tell passes on the answer to an intercepted call. What the policy did is
// added to its warnings, if it has any; the log gets its status and, where a
// container was made, the id.
func (c *connection) tell(h head, how framing, x *intercepted) error {
	if h.status >= 300 || x.endpoint == nil || x.endpoint.Traits&rewrite.Warns == 0 {
		x.answered(c.server, h.status, "")
		return relay(c.client, c.engine, h, how, chunks{extensions: true})
	}
	n, body, err := c.engine.message(h, how, maxAnswer)
	if err != nil && err != errTooLong { // it broke off: what came goes on
		x.answered(c.server, h.status, "")
		return errors.Join(err, send(c.client, c.engine, len(c.engine.pending)))
	}
	told, id := rewrite.Warn(body, x.warnings)
	x.answered(c.server, h.status, id)
	if bytes.Equal(told, body) {
		return relay(c.client, c.engine, h, how, chunks{extensions: true})
	}
	_, err = c.client.Write(append(withLength(h.raw, len(told)), told...))
	c.engine.use(n)
	return err
}

// errorAnswer is an answer of safesock's own, in the Engine's form.
func errorAnswer(status int, reason string, toHEAD, last bool) []byte {
	body, err := json.Marshal(map[string]string{"message": reason})
	if err != nil {
		panic(err) // a string can always be encoded
	}
	body = append(body, '\n')
	answer := fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n",
		status, http.StatusText(status), len(body))
	if last {
		answer = append(answer, "Connection: close\r\n"...)
	}
	answer = append(answer, "\r\n"...)
	if toHEAD {
		return answer
	}
	return append(answer, body...)
}
