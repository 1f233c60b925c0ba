package proxy

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

const (
	ping   = "GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n"
	okText = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
)

func TestRequestsReachTheEngineAsTheyCame(t *testing.T) {
	long := strings.Repeat("x", 200<<10)
	for name, request := range map[string]string{
		"an escaped path":        "GET /images/library%2Fweb%3A1/json?a=%7B%22b%22%3A1%7D&a&;=%20+ HTTP/1.1\r\nHost: docker\r\n\r\n",
		"field order and case":   "GET /info HTTP/1.1\r\nx-B: 1\r\nhOST: docker\r\nX-a:2 \r\nx-b:\t1\r\n\r\n",
		"an empty Host":          "GET /info HTTP/1.1\r\nHost:\r\n\r\n",
		"HTTP/1.0":               "GET /info HTTP/1.0\r\n\r\n",
		"HEAD":                   "HEAD /_ping HTTP/1.1\r\nHost: docker\r\n\r\n",
		"an unknown method":      "PATCH /new/thing HTTP/1.1\r\nHost: docker\r\nContent-Length: 3\r\n\r\nabc",
		"a body by length":       "POST /images/load HTTP/1.1\r\nHost: docker\r\nContent-Length: 204800\r\n\r\n" + long,
		"chunks and a trailer":   "POST /images/load HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n00A\r\n0123456789\r\nb\r\nabcdefghijk\r\n0\r\nX-Sum: 1\r\n\r\n",
		"large chunks":           "POST /images/load HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: Chunked\r\n\r\n" + strings.Repeat("32000\r\n"+long+"\r\n", 9) + "0\r\n\r\n",
		"a GET with a body":      "GET /info HTTP/1.1\r\nHost: docker\r\nContent-Length: 4\r\n\r\nbody",
		"an absolute target":     "GET http://docker/info HTTP/1.1\r\nHost: docker\r\n\r\n",
		"a query of a megabyte":  "POST /images/create?x=" + long + long + " HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n",
		"Upgrade where none is":  "GET /info HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
		"hop-by-hop field names": "GET /info HTTP/1.1\r\nHost: docker\r\nConnection: keep-alive, X-Registry-Auth\r\nX-Registry-Auth: e30=\r\nKeep-Alive: 5\r\nTE: trailers\r\n\r\n",
		"bare line feeds":        "POST /images/load HTTP/1.1\nHost: docker\nContent-Length: 3\n\nabc",
		"one bare line feed":     "POST /images/load HTTP/1.1\r\nX: a\nHost: docker\r\nContent-Length: 3\r\n\nabc",
		"no Host":                "GET /info HTTP/1.1\r\n\r\n", // the Engine refuses it, and two Hosts
		"two Hosts":              "GET /info HTTP/1.1\r\nHost: docker\r\nHost: other\r\n\r\n",
		"an unknown expectation": "GET /info HTTP/1.1\r\nHost: docker\r\nExpect: more\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			answer := okText
			if strings.HasPrefix(request, "HEAD") {
				answer = strings.TrimSuffix(okText, "OK")
			}
			w := newWorld(t, func(e *peerEnd) {
				for range 2 {
					e.expect(request)
					e.send(answer)
				}
				e.expectEnd()
			})
			c := w.dial()
			for range 2 { // the connection has to work as before
				c.send(request)
				c.expect(answer)
			}
			c.closeWrite()
			c.expectEnd()
		})
	}
}

func TestAnswersReachTheClientAsTheyCame(t *testing.T) {
	long := strings.Repeat("y", 200<<10)
	for name, test := range map[string]struct {
		request, answer string
		ends            bool // the answer ends when the Engine closes the connection
	}{
		"a body by length":        {ping, "HTTP/1.1 200 OK\r\nserver: Docker\r\nOSType: linux\r\nContent-Length: 204800\r\n\r\n" + long, false},
		"no body":                 {ping, "HTTP/1.1 204 No Content\r\nApi-Version: 1.51\r\n\r\n", false},
		"not modified":            {ping, "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", false},
		"an error":                {ping, "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"message\":\"\"}\n", false},
		"no reason":               {ping, "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", false},
		"to HEAD":                 {"HEAD /_ping HTTP/1.1\r\nHost: docker\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n", false},
		"chunks and a trailer":    {ping, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=\"1\"\r\nabc\r\n0\r\nX-Sum: 2\r\nX-More: 3\r\n\r\n", false},
		"large chunks":            {ping, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("32000\r\n"+long+"\r\n", 9) + "3\r\nend\r\n0\r\n\r\n", false},
		"until close":             {ping, "HTTP/1.1 200 OK\r\nContent-Type: application/x-tar\r\n\r\n" + long + long, true},
		"informational answers":   {ping, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + okText, false},
		"a 200 that is no hijack": {"GET /containers/a/logs HTTP/1.1\r\nHost: docker\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nlog\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			times := 2
			if test.ends {
				times = 1
			}
			w := newWorld(t, func(e *peerEnd) {
				for range times {
					e.expect(test.request)
					e.send(test.answer)
				}
			})
			c := w.dial()
			for range times {
				c.send(test.request)
				c.expect(test.answer)
			}
			c.expectEnd()
		})
	}
}

// One read returns the chunk and the end of the body.
func TestAConnectionGoesOnAfterALargeChunkThatComesWithTheEndOfItsBody(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	body := "57b6\r\n" + strings.Repeat("y", 0x57b6) + "\r\n0\r\n\r\n"
	hasHead := make(chan struct{})
	w := newWorld(t, func(e *peerEnd) {
		for range 3 {
			e.expect(ping)
			e.send(head)
			<-hasHead
			e.send(body)
		}
	})
	c := w.dial()
	for range 3 {
		c.send(ping)
		c.expect(head)
		hasHead <- struct{}{}
		c.expect(body)
	}
	c.closeWrite()
	c.expectEnd()
}

// Each of these could mean one thing to safesock and another to the Engine.
func TestRequestsThatTwoReadersCouldReadDifferentlyAreRefused(t *testing.T) {
	const fields = "GET /_ping HTTP/1.1\r\nHost: docker\r\n"
	const post = "POST /images/load HTTP/1.1\r\nHost: docker\r\n"
	for name, test := range map[string]struct {
		request string
		status  int
		reason  string
	}{
		"length and chunks":       {post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "both Content-Length and Transfer-Encoding"},
		"chunks and length":       {post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400, "both Content-Length and Transfer-Encoding"},
		"two lengths":             {post + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400, "two Content-Length fields"},
		"a list of lengths":       {post + "Content-Length: 3, 3\r\n\r\nabc", 400, `Content-Length "3, 3" is not a number`},
		"a signed length":         {post + "Content-Length: +3\r\n\r\nabc", 400, `Content-Length "+3" is not a number`},
		"an empty length":         {post + "Content-Length:\r\n\r\nabc", 400, `Content-Length "" is not a number`},
		"a length out of range":   {post + "Content-Length: 9223372036854775808\r\n\r\nabc", 400, `Content-Length "9223372036854775808" is not a number`},
		"two codings":             {post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, "a Transfer-Encoding other than one chunked"},
		"two coding fields":       {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "a Transfer-Encoding other than one chunked"},
		"identity":                {post + "Transfer-Encoding: identity\r\n\r\n", 400, "a Transfer-Encoding other than one chunked"},
		"a folded line":           {post + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400, "a Transfer-Encoding other than one chunked"},
		"a folded value":          {fields + "X: a\r\n b\r\n\r\n", 400, `" b" is not a header field`},
		"a blank before colon":    {post + "Content-Length : 3\r\n\r\nabc", 400, `"Content-Length : 3" is not a header field`},
		"a CR in a value":         {fields + "X: a\rContent-Length: 3\r\n\r\n", 400, "the value of X has a control character"},
		"a NUL in a value":        {fields + "X: a\x00\r\n\r\n", 400, "the value of X has a control character"},
		"a CR before a CRLF":      {"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\r\n\r\n", 400, `"\r" is not a header field`},
		"a CR at a value's end":   {fields + "X: a\r\r\n\r\n", 400, "the value of X has a control character"},
		"an empty first line":     {"\r\n" + ping, 400, "the head begins with an empty line"},
		"a line feed first":       {"\n" + ping, 400, "the head begins with an empty line"},
		"chunks in HTTP/1.0":      {"POST /images/load HTTP/1.0\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "Transfer-Encoding in an HTTP/1.0 request"},
		"two blanks":              {"GET  /_ping HTTP/1.1\r\nHost: docker\r\n\r\n", 400, "the request line is not METHOD TARGET VERSION"},
		"a blank in the target":   {"GET /a b HTTP/1.1\r\nHost: docker\r\n\r\n", 505, "only HTTP/1.0 and HTTP/1.1 are understood"},
		"HTTP/0.9":                {"GET /_ping\r\n\r\n", 400, "the request line is not METHOD TARGET VERSION"},
		"HTTP/1.2":                {"GET /_ping HTTP/1.2\r\nHost: docker\r\n\r\n", 505, "only HTTP/1.0 and HTTP/1.1 are understood"},
		"CONNECT":                 {"CONNECT docker:80 HTTP/1.1\r\nHost: docker\r\n\r\n", 400, "the Engine has no CONNECT"},
		"a bad escape":            {"GET /%zz HTTP/1.1\r\nHost: docker\r\n\r\n", 400, `the request target: parse "/%zz": invalid URL escape "%zz"`},
		"a head without an end":   {fields + "X: " + strings.Repeat("x", 1<<20), 431, "the head is longer than 1 MiB"},
		"a chunk extension":       {post + "Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n", 400, `a chunk's size is followed by ';'`},
		"a chunk's bare LF":       {post + "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", 400, `a chunk's size is followed by '\n'`},
		"a chunk without a size":  {post + "Transfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n", 400, "a chunk has no size"},
		"a chunk of many digits":  {post + "Transfer-Encoding: chunked\r\n\r\n0000000000000003\r\nabc\r\n0\r\n\r\n", 400, "a chunk's size has more than 15 digits"},
		"a chunk that is longer":  {post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400, "a chunk is longer than its size"},
		"a trailer with bare LFs": {post + "Transfer-Encoding: chunked\r\n\r\n0\r\na: b\n\n\r\n\r\n", 400, "a trailer line does not end in CRLF"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(e *peerEnd) {
				if got, _ := io.ReadAll(e); len(got) > 0 {
					t.Errorf("the Engine got %q", got)
				}
			})
			c := w.dial()
			c.send(test.request)
			body := fmt.Sprintf("{\"message\":%q}\n", "safesock: "+test.reason)
			body = strings.ReplaceAll(strings.ReplaceAll(body, "\\\\n", "\\n"), "'\\n'", "'\\\\n'")
			c.expect(fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
				test.status, http.StatusText(test.status), len(body), body))
			c.expectEnd()
		})
	}
}

func TestLongBodiesArriveWhole(t *testing.T) {
	const size = 12 << 20
	body := func() io.Reader { return io.LimitReader(&patterned{}, size) }
	want := digest(t, body())
	w := newWorld(t, func(e *peerEnd) {
		request, err := http.ReadRequest(e.in)
		if err != nil {
			t.Error(err)
			return
		}
		if got := digest(t, request.Body); got != want {
			t.Errorf("the Engine got %s want %s", got, want)
		}
		answer := http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Body: io.NopCloser(body()), ContentLength: size}
		if request.ContentLength < 0 {
			answer.ContentLength, answer.TransferEncoding = -1, []string{"chunked"}
		}
		if err := answer.Write(e.UnixConn); err != nil {
			t.Error(err)
		}
	})
	for _, length := range []int64{size, -1} {
		t.Run(fmt.Sprint("Content-Length ", length), func(t *testing.T) {
			c := w.dial()
			request, err := http.NewRequest("POST", "http://docker/images/load", io.NopCloser(body()))
			if err != nil {
				t.Fatal(err)
			}
			request.ContentLength = length
			if err := request.Write(c.UnixConn); err != nil {
				t.Fatal(err)
			}
			answer, err := http.ReadResponse(c.in, request)
			if err != nil {
				t.Fatal(err)
			}
			if got := digest(t, answer.Body); got != want {
				t.Errorf("the client got %s want %s", got, want)
			}
		})
	}
}

// patterned is an endless text of which no two parts are the same.
type patterned struct{ at int }

func (p *patterned) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(p.at*p.at>>7 + p.at)
		p.at++
	}
	return len(b), nil
}

func digest(t *testing.T, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err != nil {
		t.Error(err)
	}
	return fmt.Sprintf("%d bytes %x", n, h.Sum(nil)[:8])
}

func TestStreamsAreDeliveredAsTheyCome(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	seen := make(chan bool)
	w := newWorld(t, func(e *peerEnd) {
		e.expect(ping)
		e.send(head)
		<-seen
		e.send("5\r\nhel")
		<-seen
		e.send("lo\r\n0\r\n\r\n")
	})
	c := w.dial()
	c.send(ping)
	c.expect(head)
	seen <- true
	c.expect("5\r\nhel")
	seen <- true
	c.expect("lo\r\n0\r\n\r\n")
}

func TestUploadsAreForwardedAsTheyCome(t *testing.T) {
	const head = "POST /images/load HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n"
	seen := make(chan bool)
	w := newWorld(t, func(e *peerEnd) {
		e.expect(head)
		seen <- true
		e.expect("5\r\nhel")
		e.send(okText) // an early answer does not wait for the rest
		e.expect("lo\r\n0\r\n\r\n")
		e.expect(ping)
		e.send(okText)
	})
	c := w.dial()
	c.send(head)
	<-seen
	c.send("5\r\nhel")
	c.expect(okText)
	c.send("lo\r\n0\r\n\r\n" + ping)
	c.expect(okText)
}

func TestTheEngineDecidesOn100Continue(t *testing.T) {
	const head = "POST /images/load HTTP/1.1\r\nHost: docker\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
	w := newWorld(t, func(e *peerEnd) {
		e.expect(head)
		e.send("HTTP/1.1 100 Continue\r\n\r\n")
		e.expect("abc")
		e.send(okText)
	})
	c := w.dial()
	c.send(head)
	c.expect("HTTP/1.1 100 Continue\r\n\r\n")
	c.send("abc")
	c.expect(okText)
}

func TestPipelinedRequestsWaitForTheirTurn(t *testing.T) {
	w := newWorld(t, func(e *peerEnd) {
		for i := range 3 {
			e.expect(ping)
			if n := e.in.Buffered(); n > 0 {
				t.Errorf("before answer %d, the Engine got %d bytes of the next request", i, n)
			}
			e.send(okText)
		}
	})
	c := w.dial()
	c.send(ping + ping + ping)
	c.expect(okText + okText + okText)
}

func TestAClientThatLeavesEndsTheEnginesStream(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	ended := make(chan bool)
	w := newWorld(t, func(e *peerEnd) {
		e.expect(ping)
		e.send(head)
		e.expectEnd()
		close(ended)
	})
	c := w.dial()
	c.send(ping)
	c.expect(head)
	c.Close()
	<-ended
}

func TestAnEngineThatLeavesEndsTheClientsStream(t *testing.T) {
	const part = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"
	w := newWorld(t, func(e *peerEnd) {
		e.expect(ping)
		e.send(part)
	})
	c := w.dial()
	c.send(ping)
	c.expect(part)
	c.expectEnd()
}

func TestAClientLearnsThatTheEngineLeftWithoutAnAnswer(t *testing.T) {
	w := newWorld(t, func(e *peerEnd) { e.expect(ping) })
	c := w.dial()
	c.send(ping)
	c.expect("HTTP/1.1 502 Bad Gateway\r\n")
	rest, _ := io.ReadAll(c)
	if want := "{\"message\":\"safesock: the Engine at " + w.engine + " hung up without an answer\"}\n"; !strings.HasSuffix(string(rest), "\r\n\r\n"+want) {
		t.Errorf("got %q want the end %q", rest, want)
	}
}

func TestAClientLearnsThatTheEngineIsDownAndReachesItLater(t *testing.T) {
	answer := func(e *peerEnd) {
		e.expect(ping)
		e.send(okText)
		e.expectEnd()
	}
	w := newWorld(t, answer)
	w.listener.Close()
	os.Remove(w.engine)
	c := w.dial()
	c.send(ping)
	body := "{\"message\":\"safesock: cannot reach the Engine: dial unix " + w.engine + ": connect: no such file or directory; is it running?\"}\n"
	c.expect(fmt.Sprintf("HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body))
	c.expectEnd()

	w.startEngine(answer)
	c = w.dial()
	c.send(ping)
	c.expect(okText)
	c.closeWrite()
	c.expectEnd()
}
