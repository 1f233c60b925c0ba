package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/safesock/safesock/rewrite"
)

// refusal is why a call goes no further, as safesock itself decides: the
// Engine could read its bytes differently, or cannot be asked. What a policy
// refuses is a *rewrite.Refusal.
type refusal struct {
	status int
	reason string
}

func (r *refusal) Error() string { return r.reason }

// bad refuses bytes that safesock and the Engine could read differently, or
// that neither can read.
func bad(format string, args ...any) error {
	return &refusal{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// unreachable refuses a call because the Engine's socket cannot be opened.
func unreachable(err error) error {
	return &refusal{http.StatusBadGateway, "cannot reach the Engine: " + err.Error() + "; is it running?"}
}

// statusOf returns the status and the words with which a client is refused.
func statusOf(err error) (status int, reason string) {
	var own *refusal
	var ruled *rewrite.Refusal
	switch {
	case errors.As(err, &own):
		return own.status, "safesock: " + own.reason
	case errors.As(err, &ruled):
		return ruled.Status, ruled.Message
	}
	return http.StatusInternalServerError, "safesock: " + err.Error()
}

// errorBody returns the body of an error in the Engine's form.
func errorBody(reason string) []byte {
	body, err := json.Marshal(map[string]string{"message": reason})
	if err != nil {
		panic(err) // a string can always be encoded
	}
	return append(body, '\n')
}

// errorAnswer returns an answer of safesock's own in HTTP/1. After the last
// answer the connection is closed.
func errorAnswer(status int, reason string, toHEAD, last bool) []byte {
	body := errorBody(reason)
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
