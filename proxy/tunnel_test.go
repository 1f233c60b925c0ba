package proxy

import (
	"io"
	"strings"
	"testing"
)

const (
	execStart = "POST /v1.41/exec/1a/start HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: 28\r\n\r\n" +
		`{"Detach":false,"Tty":false}`
	switched  = "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
	hijacked  = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"
	notFound  = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
	noContent = "HTTP/1.1 204 No Content\r\n\r\n"
)

func TestUpgradedConnectionsCarryWhateverComes(t *testing.T) {
	for name, test := range map[string]struct{ request, answer string }{
		"exec with a body":        {execStart, switched},
		"exec without Upgrade":    {strings.Replace(execStart, "Connection: Upgrade\r\nUpgrade: tcp\r\n", "", 1), hijacked},
		"exec in HTTP/1.0":        {"POST /exec/1a/start HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", hijacked},
		"session":                 {"POST /session HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", strings.ReplaceAll(switched, "tcp", "h2c")},
		"grpc":                    {"POST /v1.41/grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", strings.ReplaceAll(switched, "tcp", "h2c")},
		"session, lone Upgrade":   {"POST /session HTTP/1.1\r\nHost: docker\r\nUpgrade: h2c\r\n\r\n", strings.ReplaceAll(switched, "tcp", "h2c")},
		"multiplexed exec stream": {execStart, strings.Replace(switched, "raw-stream", "multiplexed-stream", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			seen := make(chan bool)
			w := newWorld(t, func(e *peerEnd) {
				e.expect(test.request)
				e.send(test.answer + "with the head") // in one write
				<-seen
				e.send("and later")
				e.expect("GET / is data\r\n\r\n")
				e.expectEnd() // the client's half
				e.send("the last words")
			})
			c := w.dial()
			c.send(test.request)
			c.expect(test.answer)
			c.expect("with the head")
			seen <- true
			c.expect("and later")
			c.send("GET / is data\r\n\r\n")
			c.closeWrite()
			c.expect("the last words")
			c.expectEnd()
		})
	}
}

func TestTheEnginesHalfOfAStreamCanEndFirst(t *testing.T) {
	w := newWorld(t, func(e *peerEnd) {
		e.expect(execStart)
		e.send(switched + "all output")
		e.closeWrite()
		e.expect("more input")
		e.expectEnd()
	})
	c := w.dial()
	c.send(execStart)
	c.expect(switched + "all output")
	c.expectEnd()
	c.send("more input")
	c.closeWrite()
}

func TestAnEngineThatLeavesAStreamClosesTheClient(t *testing.T) {
	w := newWorld(t, func(e *peerEnd) {
		e.expect(execStart)
		e.send(switched)
	})
	c := w.dial()
	c.send(execStart)
	c.expect(switched)
	c.expectEnd()
	for { // until the socket is closed for writing too
		if _, err := c.Write([]byte("x")); err != nil {
			break
		}
	}
}

func TestAClientThatLeavesAStreamClosesTheEngine(t *testing.T) {
	closed := make(chan bool)
	w := newWorld(t, func(e *peerEnd) {
		e.expect(execStart)
		e.send(switched)
		e.expectEnd()
		for { // until the socket is closed for writing too
			if _, err := e.Write([]byte("x")); err != nil {
				break
			}
		}
		close(closed)
	})
	c := w.dial()
	c.send(execStart)
	c.expect(switched)
	c.Close()
	<-closed
}

func TestEarlyBytesWaitForTheUpgrade(t *testing.T) {
	sentEarly := make(chan bool)
	w := newWorld(t, func(e *peerEnd) {
		e.expect(execStart)
		<-sentEarly
		if n := e.in.Buffered(); n > 0 {
			t.Errorf("%d early bytes reached the Engine before its answer", n)
		}
		e.send(switched)
		e.expect("early and late")
		e.expectEnd()
	})
	c := w.dial()
	c.send(execStart + "early ")
	sentEarly <- true
	c.expect(switched)
	c.send("and late")
	c.closeWrite()
	c.expectEnd()
}

// A proxy that tunnels as soon as a request asks for it would send the next
// request to the Engine unread.
func TestBytesBehindARefusedUpgradeAreTheNextRequest(t *testing.T) {
	const next = "DELETE /containers/next HTTP/1.1\r\nHost: docker\r\n\r\n"
	for name, answer := range map[string]string{
		"not found":            notFound,
		"conflict":             "HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n{}",
		"detached":             okText,
		"a chunked raw stream": "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a sized raw stream":   "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\nContent-Length: 3\r\n\r\nabc",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(e *peerEnd) {
				e.expect(execStart)
				e.send(answer)
				e.expectEnd()
			})
			w.setPolicy(`api "nobody deletes" {
				when   = call.method == "DELETE"
				action = "deny"
			}`)
			c := w.dial()
			c.send(execStart + next)
			c.expect(answer + "HTTP/1.1 403 Forbidden\r\n")
			c.closeWrite()
			if _, err := io.ReadAll(c); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnUpgradeThatWasNotAskedForEndsTheConnection(t *testing.T) {
	const request = "GET /info HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
	w := newWorld(t, func(e *peerEnd) {
		e.expect(request)
		e.send(switched)
		e.expectEnd()
	})
	c := w.dial()
	c.send(request + "early")
	c.expect("HTTP/1.1 502 Bad Gateway\r\n")
}

func TestLongStreamsArriveWhole(t *testing.T) {
	const size = 12 << 20
	data := func() io.Reader { return io.LimitReader(&patterned{}, size) }
	want := digest(t, data())
	w := newWorld(t, func(e *peerEnd) {
		e.expect(execStart)
		e.send(switched)
		io.Copy(e.UnixConn, data())
		e.closeWrite()
		if got := digest(t, e.in); got != want {
			t.Errorf("the Engine got %s want %s", got, want)
		}
	})
	for range 3 {
		c := w.dial()
		c.send(execStart)
		c.expect(switched)
		if got := digest(t, c.in); got != want {
			t.Errorf("the client got %s want %s", got, want)
		}
		io.Copy(c.UnixConn, data())
		c.closeWrite()
		c.expectEnd()
	}
}
