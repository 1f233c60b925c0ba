package proxy

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// An Engine can end its half of a stream and keep its socket open. Once it
// closes the socket, a client that still writes must notice.
func TestAnEngineThatEndsItsHalfOfAStreamAndThenLeavesClosesTheClient(t *testing.T) {
	ended := make(chan struct{})
	w := newWorld(t, func(e *peerEnd) {
		e.expect(execStart)
		e.send(switched + "all output")
		e.closeWrite()
		<-ended
	})
	c := w.dial()
	c.send(execStart)
	c.expect(switched + "all output")
	c.expectEnd()
	close(ended)
	for { // until the socket is closed for writing too
		if _, err := c.Write([]byte("x")); err != nil {
			break
		}
	}
	w.awaitConnections(0)
}

// The client gets what came of an answer, and then the end.
func TestAnAnswerThatBreaksOffArrivesAsFarAsItCame(t *testing.T) {
	long := strings.Repeat("z", 100<<10)
	for name, answer := range map[string]string{
		"within a length":       "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + long,
		"within a chunk":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nf4240\r\n" + long,
		"between two chunks":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n19000\r\n" + long + "\r\n",
		"within a chunk's size": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n19000\r\n" + long + "\r\n19",
	} {
		t.Run(name, func(t *testing.T) {
			head := answer[:strings.Index(answer, "\r\n\r\n")+4]
			hasHead := make(chan struct{})
			w := newWorld(t, func(e *peerEnd) {
				e.expect(ping)
				e.send(head)
				<-hasHead
				e.send(answer[len(head):])
			})
			c := w.dial()
			c.send(ping)
			c.expect(head)
			close(hasHead)
			got, err := io.ReadAll(c.in)
			if string(got) != answer[len(head):] || err != nil {
				t.Errorf("got %d bytes (%v) want %d", len(got), err, len(answer)-len(head))
			}
		})
	}
}

func TestAnAnswerArrivesUpToABadChunk(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	long := "19000\r\n" + strings.Repeat("z", 100<<10) + "\r\n"
	for _, test := range []struct{ name, first, good, bad string }{
		{"that comes with the head", "", head + "5\r\nhello\r\n", "zz\r\n"},
		{"that comes later", head, "5\r\nhello\r\n", "zz\r\n"},
		{"that is longer than its size", head, "5\r\nhello", "!\r\n"},
		{"behind a long one", head, long, "-1\r\n"},
		{"behind a long one that is longer than its size", head, strings.TrimSuffix(long, "\r\n"), "z\r\n"},
		{"with a long trailer", head, long + "0\r\nX-Sum: 1", "\n\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			hasFirst := make(chan struct{})
			w := newWorld(t, func(e *peerEnd) {
				e.expect(ping)
				e.send(test.first)
				<-hasFirst
				e.send(test.good + test.bad)
			})
			c := w.dial()
			c.send(ping)
			c.expect(test.first)
			close(hasFirst)
			got, err := io.ReadAll(c.in)
			if string(got) != test.good || err != nil {
				t.Errorf("got %.40q, %d bytes (%v) want %.40q, %d bytes", got, len(got), err, test.good, len(test.good))
			}
		})
	}
}

// An answer that can get warnings is read whole first.
func TestAnAnswerThatTakesWarningsMayHaveChunkExtensions(t *testing.T) {
	const body = `{"Image":"web:1"}`
	request := fmt.Sprintf("POST /containers/create HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	const answer = "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n9;a=\"b\"\r\n{\"Id\":1}\n\r\n0\r\n\r\n"
	w := newWorld(t, func(e *peerEnd) {
		for range 2 {
			e.expect(request)
			e.send(answer)
		}
	})
	c := w.dial()
	for range 2 {
		c.send(request)
		c.expect(answer)
	}
}

// A create's answer is read whole, since it can get warnings. If it breaks off,
// the client gets the part that came, and the log the status.
func TestACreatesAnswerThatBreaksOffArrivesAsFarAsItCame(t *testing.T) {
	const answer = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"Id\":\"0123"
	request := create(`{"Image":"web:1"}`)
	w := newWorld(t, func(e *peerEnd) {
		e.expect(request)
		e.send(answer)
	})
	c := w.dial()
	c.send(request)
	c.expect(answer)
	c.expectEnd()
	w.awaitConnections(0)
	if log := w.auditLog(); !strings.Contains(log, `"record":"answer"`) || !strings.Contains(log, `"status":201`) {
		t.Errorf("got %s, want a record of the answer", log)
	}
}

// A client's bytes that the Engine does not read hold up nobody who stops
// safesock.
func TestTheEndOfServingCutsWhatTheEngineDoesNotRead(t *testing.T) {
	for name, test := range map[string]struct{ request, answer string }{
		"an upload":           {"POST /images/load HTTP/1.1\r\nHost: docker\r\nContent-Length: 999999999999\r\n\r\n", ""},
		"a chunked upload":    {"POST /images/load HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n", ""},
		"a raw stream":        {execStart, switched},
		"an early raw stream": {execStart, ""}, // its bytes wait at safesock
	} {
		t.Run(name, func(t *testing.T) {
			stopped := make(chan struct{})
			w := newWorld(t, func(e *peerEnd) {
				e.expect(test.request)
				e.send(test.answer)
				<-stopped
			}, func(s *Server) { s.Drain = 1 })
			c := w.dial()
			c.send(test.request)
			c.expect(test.answer)
			c.fill()
			w.stop()
			if err := w.awaitStop(); err != nil {
				t.Error(err)
			}
			close(stopped)
		})
	}
}

// fill writes until nobody takes any more bytes.
func (p *peerEnd) fill() {
	p.t.Helper()
	b := make([]byte, 64<<10)
	for n, err := 1, error(nil); n > 0 || err == nil; {
		if err := p.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			p.t.Error(err)
		}
		if n, err = p.Write(b); err != nil && !os.IsTimeout(err) {
			p.t.Error(err)
			return
		}
	}
}

// The next request, or a part of it, waits at safesock until the Engine has
// answered the request before.
func TestAClientThatLeavesBehindAnEarlyRequestIsNoticed(t *testing.T) {
	for name, early := range map[string]string{
		"nothing":        "",
		"a request":      ping,
		"half a request": ping[:20],
	} {
		t.Run(name, func(t *testing.T) {
			asked, ended := make(chan struct{}), make(chan struct{})
			w := newWorld(t, func(e *peerEnd) {
				e.expect(ping)
				close(asked)
				e.expectEnd()
				close(ended)
			})
			c := w.dial()
			c.send(ping + early)
			<-asked
			c.Close()
			<-ended
			w.awaitConnections(0)
		})
	}
}
