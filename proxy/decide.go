package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/safesock/safesock/host"
	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite"
)

// intercepted is a call that the policy decides. A nil *intercepted stands for
// a call that is forwarded unread.
type intercepted struct {
	server   *Server
	peer     *host.Peer        // who made the call
	endpoint *rewrite.Endpoint // nil if the call is decided by api rules alone

	body     room   // of what was read, until it has been sent on
	decision room   // of the decision, and then of the warnings
	record   string // id of the call's audit record
	came     time.Time
	build    string   // id of the build that the call is about
	warnings []string // for the client, in the answer
	warned   int64    // length of all warnings
	pins     []rewrite.Pin
}

// traits returns what is special about the call's endpoint, 0 if it has none.
func (x *intercepted) traits() rewrite.Traits {
	if x == nil || x.endpoint == nil {
		return 0
	}
	return x.endpoint.Traits
}

// Answers up to these lengths, in bytes, are edited. A longer one is passed on as
// it came.
const (
	maxWarned = 1 << 20
	maxError  = 64 << 10
)

// editable returns the length up to which an answer with this status is edited,
// 0 if it is not.
func (x *intercepted) editable(status int) int64 {
	switch {
	case status < 300 && x.traits()&rewrite.Warns != 0:
		return maxWarned
	case status >= 400 && x != nil && len(x.pins) > 0:
		return maxError
	}
	return 0
}

// endsLater reports whether the record of the answer waits for its end: only that
// says whether a gRPC call succeeded.
func (x *intercepted) endsLater() bool {
	return x.traits()&(rewrite.GRPC|rewrite.Streams) == rewrite.GRPC && !x.tellsProgress()
}

// tellsProgress reports whether the answer is the progress of a build.
func (x *intercepted) tellsProgress() bool {
	return x.traits()&rewrite.GRPC != 0 && x.endpoint.Name == "buildkit.status"
}

// edit adds warnings to an answer, or puts the client's names into an error. It
// also returns the id of a container that the Engine created.
func (x *intercepted) edit(status int, answer []byte) (edited []byte, id string) {
	if status >= 400 {
		return rewrite.Unpin(answer, x.pins), ""
	}
	return rewrite.Warn(answer, x.warnings)
}

// decide has the policy decide and edit the call, and writes the outcome to the
// audit log. After an error the call goes no further. waiting is the caller's
// callWorld.waiting.
func (x *intercepted) decide(p *policy.Policy, call rewrite.Call, waiting func() (context.Context, func())) (rewrite.Result, error) {
	s := x.server
	var err error
	if x.decision, err = s.memory.decisions.take(cost(call.Body)+cost([]byte(call.URL.RawQuery)), waiting); err != nil {
		return rewrite.Result{}, err
	}
	var answer room
	defer func() {
		x.decision.keep(x.warned)
		answer.keep(0)
	}()
	call.Client = clientOf(x.peer)
	x.came = time.Now()
	call.Time, call.Upstream, call.Listen = x.came, s.guarded, s.Listen
	result, refused := rewrite.Apply(p, call, callWorld{server: s, uid: x.peer.UID, answer: &answer, waiting: waiting})
	if x.record, err = s.Audit.recordCall(call, x.peer, result, refused, p.Observe()); err != nil {
		s.log().Error("audit log", slog.Any("error", err))
		return rewrite.Result{}, &refusal{http.StatusInternalServerError, "the audit log cannot be written, so the call was not forwarded: " + err.Error()}
	}
	if refused != nil {
		return rewrite.Result{}, refused
	}
	x.build = result.Build.Ref
	x.pins = result.Pins
	x.warn(call, result.Outcomes)
	return result, nil
}

// warn keeps the outcomes' warnings for the answer, or for the terminal of the
// build. If neither has a place for them, they go to the log.
func (x *intercepted) warn(call rewrite.Call, outcomes []rewrite.Outcome) {
	for _, outcome := range outcomes {
		switch w := outcome.Warning(); {
		case w == "":
		case x.traits()&rewrite.Warns != 0:
			x.warnings = append(x.warnings, w)
			x.warned += int64(len(w))
		case x.build != "" && x.traits()&rewrite.GRPC != 0 && x.server.builds.warn(x.build, w):
		default:
			x.server.log().Warn(strings.TrimPrefix(w, "safesock: "), slog.String("call", call.Method+" "+call.Path),
				slog.Int("uid", x.peer.UID), slog.Int("pid", x.peer.PID))
		}
	}
}

// done gives back the room that the call still has, once it is over. A second call
// does nothing.
func (x *intercepted) done() {
	if x != nil {
		x.body.keep(0)
		x.decision.keep(0)
	}
}

// logAnswer writes to the audit log how the Engine answered the call, and the
// id of a container that it made. The call cannot be refused any more, so an
// error goes to the log of the program.
func (x *intercepted) logAnswer(status int, id string) {
	if x == nil {
		return
	}
	x.log(AnswerRecord{Status: status, Made: id})
}

// logBuild writes how a gRPC call ended, and which image a build made.
func (x *intercepted) logBuild(status, grpcStatus int, image string) {
	r := AnswerRecord{Status: status, GRPC: &grpcStatus, Image: image}
	if x.endpoint.Name == "buildkit.solve" {
		r.Seconds = time.Since(x.came).Round(time.Millisecond).Seconds()
	}
	x.log(r)
}

func (x *intercepted) log(r AnswerRecord) {
	r.ID = x.record
	if err := x.server.Audit.recordAnswer(r); err != nil {
		x.server.log().Error("audit log", slog.Any("error", err))
	}
}

// bodyLimit returns how many bytes of a body are read.
func (s *Server) bodyLimit() int64 {
	if s.BodyLimit == 0 {
		return 16 << 20
	}
	return s.BodyLimit
}

// tooLong refuses a body beyond the limit.
func (s *Server) tooLong() error {
	return &refusal{http.StatusRequestEntityTooLarge,
		fmt.Sprintf("the body is longer than %d bytes, which is as much as is read of one call", s.bodyLimit())}
}

// recordRefusal writes the record of a request that is refused before a rule
// has looked at it. The match has what is known of the request.
func (s *Server) recordRefusal(match rewrite.Match, from *host.Peer, why error) {
	if isClosed(why) {
		return // nobody asks any more
	}
	_, err := s.Audit.recordCall(rewrite.Call{Match: match, Time: time.Now()}, from, rewrite.Result{}, why, false)
	if err != nil {
		s.log().Error("audit log", slog.Any("error", err))
	}
}
