package proxy

import (
	"fmt"
	"io"
	"net/http"
	"testing"
)

func TestAClientLearnsInHTTP1ThatTheEngineHasNoHTTP2(t *testing.T) {
	for name, act := range map[string]func(*peerEnd){
		"it redirects": func(e *peerEnd) {
			e.expect(preface)
			e.send("HTTP/1.1 301 Moved Permanently\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
		},
		"it refuses": func(e *peerEnd) {
			e.expect(preface)
			e.send("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
		},
		"it hangs up": func(e *peerEnd) { e.expect(preface) },
		"it says little": func(e *peerEnd) {
			e.expect(preface)
			e.send("what")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, act)
			c := w.dial()
			c.send(preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00")
			c.expect(lastRefusal("505 HTTP Version Not Supported", "the Engine at "+w.engine+" does not speak HTTP/2; use HTTP/1.1"))
			c.expectEnd()
		})
	}
}

func TestAClientLearnsInHTTP1ThatTheEngineIsDown(t *testing.T) {
	w := newWorld(t, func(*peerEnd) {})
	w.listener.Close()
	c := w.dial()
	c.send(preface)
	c.expect(lastRefusal("502 Bad Gateway", "cannot reach the Engine: dial unix "+w.engine+": connect: no such file or directory; is it running?"))
	c.expectEnd()
}

// lastRefusal is an answer of safesock itself, after which it hangs up.
func lastRefusal(status, reason string) string {
	body := fmt.Sprintf("{\"message\":\"safesock: %s\"}\n", reason)
	return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, len(body), body)
}

func TestOnlyAWholePrefaceIsHTTP2(t *testing.T) {
	w := newWorld(t, func(e *peerEnd) {
		e.expect(ping)
		e.send(okText)
		e.expectEnd()
	})
	c := w.dial()
	c.send(prefaceHead + "GET / ")
	c.expect(lastRefusal("505 HTTP Version Not Supported", "only HTTP/1.0, HTTP/1.1 and HTTP/2 are understood"))
	c.expectEnd()
	c = w.dial()
	c.send(ping + preface)
	c.expect(okText)
	c.expect(lastRefusal("505 HTTP Version Not Supported", "only HTTP/1.0 and HTTP/1.1 are understood"))
}

func TestAClientMayLeaveBeforeTheEngineHasSpoken(t *testing.T) {
	reached, over := make(chan bool), make(chan bool)
	w := newWorld(t, func(e *peerEnd) {
		e.expect(preface)
		reached <- true
		if _, err := io.Copy(io.Discard, e); err != nil { // until safesock hangs up
			t.Error(err)
		}
		over <- true
	})
	c := w.dial()
	c.send(preface)
	<-reached
	c.Close()
	within(t, over)
}

func TestAnEngineThatEndsEndsItsClients(t *testing.T) {
	hangUp := make(chan func() error, 1)
	engine := http2Engine(t, func(a http.ResponseWriter, r *http.Request) {})
	w := newWorld(t, func(e *peerEnd) {
		hangUp <- e.CloseWrite
		engine(e)
	})
	c := w.dialHTTP2()
	answered(t, c, call(t, "GET", "/_ping", nil, nil))
	over := make(chan bool)
	c.SetStateHook(func(c *http.ClientConn) {
		if c.Err() != nil {
			close(over)
		}
	})
	if err := (<-hangUp)(); err != nil {
		t.Fatal(err)
	}
	within(t, over)
	answered(t, w.dialHTTP2(), call(t, "GET", "/_ping", nil, nil))
}
