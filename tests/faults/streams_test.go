package faults

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// badStream is one way in which an Engine that speaks HTTP/2 misbehaves.
type badStream struct {
	name   string
	answer http.HandlerFunc // of a stream
	want   string           // what the client sees, asDirect if that is what it sees without safesock
	status int              // of an intercepted call in the log
}

const reset = `502 "{\"message\":\"safesock: the Engine at ENGINE gave no answer: stream error: stream ID 1; INTERNAL_ERROR; received from peer\"}\n" ends, 19 bytes of fields, trailer map[]`

var badStreams = []badStream{
	{"answers well", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"Id":"0a"}`) }, asDirect, 200},
	{"resets before the head", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, reset, 502},
	{"resets behind the head", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}, asDirect, 200},
	{"resets within the body", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"Id":`)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}, asDirect, 200},
	{"ends before its length", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "500")
		io.WriteString(w, `{"Id":`)
	}, asDirect, 200},
	{"says 500", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "boom", 500) }, asDirect, 500},
	{"says 103 often", func(w http.ResponseWriter, _ *http.Request) {
		for range 200 {
			w.WriteHeader(http.StatusEarlyHints)
		}
		io.WriteString(w, `{"Id":"0a"}`)
	}, asDirect, 200},
	{"says fields of 900 KiB", func(w http.ResponseWriter, _ *http.Request) {
		for i := range 900 {
			w.Header().Set(fmt.Sprint("X-Long-", i), long[:1024])
		}
	}, asDirect, 200},
	{"says trailers only", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "13")
	}, asDirect, 200},
}

// overHTTP2 makes a call and returns what the client sees.
func overHTTP2(t *testing.T, socket, method, path string) string {
	t.Helper()
	c := dial(t, socket)
	defer c.Close()
	h := c.http2(t)
	defer h.Close()
	r, err := http.NewRequest(method, "http://docker"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := h.RoundTrip(r)
	if err != nil {
		return "no answer"
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	fields := 0
	for _, values := range answer.Header {
		fields += len(strings.Join(values, ""))
	}
	end := "ends"
	if err != nil {
		end = "breaks off"
	}
	return fmt.Sprintf("%d %q %s, %d bytes of fields, trailer %v", answer.StatusCode, body, end, fields, answer.Trailer)
}

func TestABadEnginesStreamsAreSeenAsTheyAreOrAs502(t *testing.T) {
	keepsDescriptors(t, func() {
		for _, b := range badStreams {
			for _, c := range []struct{ method, path, endpoint string }{
				{"GET", "/_ping", ""},
				{"POST", "/session", "session"},
				{"POST", "/containers/web/start", "container.start"},
			} {
				t.Run(b.name+" "+c.path, func(t *testing.T) {
					w := newWorld(t, func(e *end) {
						if first, err := e.in.Peek(3); err == nil && string(first) == "PRI" {
							http2Engine(b.answer)(e)
							return
						}
						e.request() // a look-up
					})
					want := b.want
					if direct := overHTTP2(t, w.engine.socket, c.method, c.path); want == asDirect {
						want = direct
					}
					want = strings.ReplaceAll(want, "ENGINE", w.engine.socket)
					for range 2 {
						got := overHTTP2(t, w.socket, c.method, c.path)
						if got != want {
							t.Errorf("the client saw\n%s want\n%s", got, want)
						}
					}
					w.awaitNone()
					wantLog := []string{}
					if c.endpoint != "" {
						wantLog = slices.Repeat([]string{fmt.Sprint(c.endpoint, ": ", b.status)}, 2)
					}
					if got := w.log(); !slices.Equal(got, wantLog) {
						t.Errorf("the log has %q want %q", got, wantLog)
					}
				})
			}
		}
	})
}

// What an Engine says in the place of HTTP/2 is answered in HTTP/1.1, which the
// client then goes on with.
func TestAnEngineThatDoesNotSpeakHTTP2IsToldOf(t *testing.T) {
	for _, b := range []bad{
		{name: "closes at once", unasked: true},
		{name: "closes once it has the preface"},
		{name: "says HTTP/1.1", says: "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", then: waits},
		{name: "says garbage", says: "\x16\x03\x01\x00\xff\x16\x03\x01\x00\xff", then: waits},
		{name: "says half a frame", says: "\x00\x00\x00\x04"},
	} {
		t.Run(b.name, func(t *testing.T) {
			w := newWorld(t, b.act)
			want := seen{ownAnswer(505, "safesock: the Engine at "+w.engine.socket+" does not speak HTTP/2; use HTTP/1.1", true), theEnd}
			for range 2 {
				got := see(t, w.engine, w.socket, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", want)
				if unsent := (seen{ownAnswer(502, "safesock: cannot reach the Engine: write unix @->"+w.engine.socket+": write: broken pipe; is it running?", true), theEnd}); b.unasked && got == unsent {
					continue // it closed before it could be sent the preface
				}
				if got != want {
					t.Errorf("the client saw\n%v want\n%v", got, want)
				}
			}
			w.awaitNone()
		})
	}
}

// An Engine that closes a kept connection may have had the call that was under
// way, or not. The client sees the end, and the log has an end of each call.
func TestAKeptConnectionThatTheEngineClosesIsAnsweredOrEnds(t *testing.T) {
	w := newWorld(t, bad{says: okText}.act)
	gone := ownAnswer(502, "safesock: the Engine at "+w.engine.socket+" hung up without an answer", true)
	for range 300 {
		got := see(t, w.engine, w.socket, calls[3].text+calls[3].text, seen{"", theEnd})
		if got != (seen{okText, theEnd}) && got != (seen{okText + gone, theEnd}) {
			t.Errorf("the client saw %v want %q, and 502 or the end", got, okText)
		}
	}
	w.awaitNone()
	if log := slices.Compact(slices.Sorted(slices.Values(w.log()))); len(log) > 2 || log[0] != "container.create: 200" || len(log) == 2 && log[1] != "container.create: 502" {
		t.Errorf("the log has %q want only 200 and 502", log)
	}
}
