package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/safesock/safesock/host"
	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite"
)

// intercepted is a call that was read, on its way to the Engine.
type intercepted struct {
	endpoint *rewrite.Endpoint // nil if only an api rule looked at the call
	peer     *host.Peer        // who made it
	record   string            // the audit record's id
	warnings []string
}

// intercept reads a call, has the policy decide and edit it, writes that to
// the audit log, and sends on what came of it.
func (c *connection) intercept(h head, p *policy.Policy, match rewrite.Match) (debt, error) {
	x := &intercepted{endpoint: match.Endpoint, peer: c.peer}
	q := question{head: isHEAD(h), intercepted: x}
	// net/http is what the Engine reads it with.
	request, err := http.ReadRequest(bufio.NewReaderSize(bytes.NewReader(h.raw), len(h.raw)))
	if err != nil {
		return nothing, c.refuse(bad("%v", err), q.head)
	}
	how, streams := h.requestFraming(), match.Endpoint == nil || match.Endpoint.Traits&rewrite.Streams != 0
	n, body := len(h.raw), []byte(nil)
	if !streams {
		if h.expects && how != noBody && len(c.client.pending) == n {
			q.continued = true
			if _, err := c.client.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n")); err != nil {
				return nothing, err
			}
		}
		n, body, err = c.client.message(h, how, c.server.bodyLimit())
		if err == errTooLong {
			return nothing, c.refuse(c.server.tooLong(), q.head)
		} else if err != nil {
			return nothing, c.refuse(err, q.head)
		}
	}
	call := rewrite.Call{Match: match, URL: request.URL, Header: request.Header, Body: body, Client: clientOf(c.peer)}
	result, refusal := c.server.decide(p, call, x, c.client.waiting)
	switch {
	case refusal != nil && how == noBody && asksForGRPC(match, request.Header):
		return nothing, c.refuseGRPC(h, refusal)
	case refusal != nil && (streams || h.last):
		return nothing, c.refuse(refusal, q.head)
	case refusal != nil:
		c.client.use(n)
		status, reason := statusOf(refusal)
		_, err := c.client.Write(errorAnswer(status, reason, q.head, false))
		return nothing, err
	}
	if err := c.ask(q); err != nil {
		status, _ := statusOf(err)
		x.answered(c.server, status, "")
		return nothing, c.refuse(err, q.head)
	}
	if h, err = c.edit(h, n, call, result); err != nil {
		return nothing, err
	}
	owed := anAnswer
	if match.Endpoint != nil && match.Endpoint.Traits&(rewrite.Upgrades|rewrite.Hijacks) != 0 {
		owed = aVerdict
	}
	return owed, c.forward(h)
}

// tooLong refuses a body.
func (s *Server) tooLong() error {
	return &malformed{http.StatusRequestEntityTooLarge,
		fmt.Sprintf("the body is longer than %d bytes, which is as much as is read of one call", s.bodyLimit())}
}

// largeBody is the length above which bodies are decided one at a time. To decide
// a call takes memory for each of its values, some ten times the body.
const largeBody = 32 << 10

// decide has the policy decide and edit a call, and writes that to the audit
// log. After an error the call goes no further.
func (s *Server) decide(p *policy.Policy, call rewrite.Call, x *intercepted, waiting func() (context.Context, func())) (rewrite.Result, error) {
	call.Time, call.Upstream, call.Listen = time.Now(), s.guarded, s.Listen
	if len(call.Body) > largeBody {
		s.large.Lock()
		defer s.large.Unlock()
	}
	result, refusal := rewrite.Apply(p, call, callWorld{server: s, waiting: waiting})
	var err error
	if x.record, err = s.Audit.recordCall(call, x.peer, result, refusal, p.Observe()); err != nil {
		s.log().Error("audit log", slog.Any("error", err))
		refusal = &malformed{http.StatusInternalServerError, "the audit log cannot be written, so the call was not forwarded: " + err.Error()}
	}
	if refusal == nil {
		s.warn(call, result.Outcomes, x)
	}
	return result, refusal
}

// warn keeps what the client is to be told for the answer. Where that has no
// place for it, it goes to the log.
func (s *Server) warn(call rewrite.Call, outcomes []rewrite.Outcome, x *intercepted) {
	for _, outcome := range outcomes {
		switch w := outcome.Warning(); {
		case w == "":
		case call.Endpoint != nil && call.Endpoint.Traits&rewrite.Warns != 0:
			x.warnings = append(x.warnings, w)
		default:
			s.log().Warn(strings.TrimPrefix(w, "safesock: "), slog.String("call", call.Method+" "+call.Path),
				slog.Int("uid", call.Client.UID), slog.Int("pid", call.Client.PID))
		}
	}
}

// edit puts the edited call in the place of the one that came, n pending bytes
// with this head. What was not edited stays as it is.
func (c *connection) edit(h head, n int, call rewrite.Call, result rewrite.Result) (head, error) {
	raw := h.raw
	if result.Target != call.URL.RequestURI() {
		raw = h.withTarget(result.Target)
	}
	switch {
	case !bytes.Equal(result.Body, call.Body):
		c.client.replace(n, append(withLength(raw, len(result.Body)), result.Body...))
	case !bytes.Equal(raw, h.raw):
		c.client.replace(len(h.raw), raw)
	default:
		return h, nil
	}
	end, err := headEnd(c.client.pending)
	if err != nil {
		return head{}, err
	}
	return parseRequest(c.client.pending[:end])
}

// answered logs what the Engine made of the call. It is too late to refuse:
// trouble with the log is told on standard error.
func (x *intercepted) answered(s *Server, status int, id string) {
	if err := s.Audit.recordAnswer(x.record, status, id); err != nil {
		s.log().Error("audit log", slog.Any("error", err))
	}
}

// statusOf gives the status and the words with which a client is refused.
func statusOf(err error) (status int, reason string) {
	var m *malformed
	var r *rewrite.Refusal
	switch {
	case errors.As(err, &m):
		return m.status, "safesock: " + m.reason
	case errors.As(err, &r):
		return r.Status, r.Message
	}
	return http.StatusInternalServerError, "safesock: " + err.Error()
}
