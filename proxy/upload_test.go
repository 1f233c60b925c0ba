package proxy

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// An Engine can answer before it has read a whole body. If it does not want the
// rest, it shuts down its sending half, and keeps its socket open for a while
// (net/http: 500 ms). The client is still writing, and must not fail before it
// has read the answer.
func TestTheAnswerToAnUploadThatTheEngineDoesNotWantIsRead(t *testing.T) {
	const length = 8 << 20
	head := fmt.Sprintf("POST /images/load HTTP/1.1\r\nHost: docker\r\nContent-Length: %d\r\n\r\n", length)
	for name, answer := range map[string]string{
		"a body by length": "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 4\r\n\r\nno\r\n",
		"chunks":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nno\r\n\r\n0\r\n\r\n",
		"until close":      "HTTP/1.1 200 OK\r\n\r\nno\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			hasAnswer := make(chan struct{})
			w := newWorld(t, func(e *peerEnd) {
				e.expect(head)
				e.send(answer)
				e.closeWrite()
				<-hasAnswer
				if n, err := io.CopyN(io.Discard, e.in, length); err != nil {
					t.Errorf("the Engine got %d bytes of the body: %v", n, err)
				}
			})
			c := w.dial()
			wrote := make(chan error, 1)
			go func() {
				_, err := io.WriteString(c.UnixConn, head+strings.Repeat("x", length))
				wrote <- err
			}()
			c.expect(answer)
			c.expectEnd()
			close(hasAnswer)
			if err := <-wrote; err != nil {
				t.Errorf("the client could not write to the end: %v", err)
			}
		})
	}
}

// A client that is refused while it writes an endless body can read the reason.
func TestARefusalOfAnUploadIsReadBeforeWritingFails(t *testing.T) {
	w := newWorld(t, func(e *peerEnd) { t.Error("the Engine was called") })
	w.setPolicy(`api "no loads" {
  when   = call.path == "/images/load"
  action = "deny"
}`)
	c := w.dial()
	c.send("POST /images/load HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n")
	chunk := "100000\r\n" + strings.Repeat("x", 1<<20) + "\r\n"
	written := make(chan error, 1)
	go func() {
		defer close(written)
		var err error
		for err == nil {
			_, err = io.WriteString(c.UnixConn, chunk)
		}
		written <- err
	}()
	select {
	case err := <-written:
		t.Errorf("writing failed before the answer was read: %v", err)
	case <-time.After(lingerTime / 4): // a client may look for an answer only now and then
	}
	answer, err := io.ReadAll(c.in)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 403 ") || !strings.Contains(string(answer), "no loads") {
		t.Errorf("got %q (%v) want a 403 that names the rule", answer, err)
	}
	c.Close()
	<-written
}

// An upload that is answered early goes on after its answer.
func TestTheEndOfServingWaitsForAnUploadThatWasAnsweredEarly(t *testing.T) {
	const request = "POST /images/load HTTP/1.1\r\nHost: docker\r\nContent-Length: 6\r\n\r\n"
	w := newWorld(t, func(e *peerEnd) {
		e.expect(request + "abc")
		e.send(okText)
		e.expect("def")
		e.expectEnd()
	})
	c := w.dial()
	c.send(request + "abc")
	c.expect(okText)
	w.stop()
	c.send("def")
	c.expectEnd()
	if err := w.awaitStop(); err != nil {
		t.Error(err)
	}
}

// A splice needs a pipe. If no pipe can be opened, the bytes go through a buffer.
func TestLongBodiesArriveWholeWithoutDescriptorsForPipes(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 256<<10)
	chunk := fmt.Sprintf("%x\r\n%s\r\n", len(long), long)
	const post = "POST /images/load HTTP/1.1\r\nHost: docker\r\n"
	hijack := "POST /exec/a/start HTTP/1.1\r\nHost: docker\r\nContent-Length: 2\r\n\r\n{}"
	for name, test := range map[string]struct {
		request, upload, head, download string
		ends                            bool // the answer ends when the Engine closes the connection
	}{
		"by length":   {post + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(long)), long, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(long)), long, false},
		"chunks":      {post + "Transfer-Encoding: chunked\r\n\r\n", chunk + chunk + "0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk + "3\r\nend\r\n" + chunk + "0\r\nX-Sum: 1\r\n\r\n", false},
		"until close": {ping, "", "HTTP/1.1 200 OK\r\n\r\n", long, true},
		"raw":         {hijack, long, "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n", long, true},
	} {
		t.Run(name, func(t *testing.T) {
			times := 2
			if test.ends {
				times = 1
			}
			begun := make(chan struct{}, times)
			w := newWorld(t, func(e *peerEnd) {
				for range times {
					e.expect(test.request)
					e.send(test.head[:9]) // at first, no more than the head has come
					e.send(test.head[9:])
					<-begun
					e.expect(test.upload)
					e.send(test.download)
				}
			})
			c := w.dial()
			c.send(test.request)
			c.expect(test.head)
			giveBack()
			withoutDescriptors(t, func() {
				for i := range times {
					if i > 0 {
						c.send(test.request)
						c.expect(test.head)
					}
					begun <- struct{}{}
					c.send(test.upload)
					c.expect(test.download)
				}
			})
		})
	}
}
