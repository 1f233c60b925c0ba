package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"
)

// If parseRequest accepts a head, net/http reads the same method, target, fields,
// framing and end. The end of the head is the same however the head comes.
func FuzzAcceptedHeadsMeanTheSameToTheEngine(f *testing.F) {
	for _, seed := range []string{
		ping,
		create("{}"),
		"POST /images/load HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: Chunked\r\nExpect: 100-continue\r\n\r\n0\r\n\r\n",
		"GET http://docker/info HTTP/1.1\r\nHost:\r\n\r\n",
		"HEAD * HTTP/1.0\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length:\t5 \r\n\r\nabcde",
		"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 05\r\n\r\nabcde",
		"GET //a/b?c HTTP/1.1\r\nHost: a\r\nX: \xff\r\n\r\n",
		"POST /a HTTP/1.1\nHost: a\nContent-Length: 5\n\nabcde",
		"POST /a HTTP/1.1\r\nX: a\nHost: a\r\nTransfer-Encoding: chunked\r\n\n0\r\n\r\n",
		"GET /a HTTP/1.0\r\nX: a\r\r\n\r\r\n\r\n",
		"GET /a HTTP/1.0\nX:\n \n\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := new(headScan).end(b)
		var scan headScan
		piecewise, pieceErr := 0, error(nil)
		for at := 0; at < len(b) && piecewise == 0 && pieceErr == nil; at++ {
			piecewise, pieceErr = scan.end(b[:at+1])
		}
		if piecewise != n || fmt.Sprint(pieceErr) != fmt.Sprint(err) {
			t.Errorf("%q ends at %d (%v), and at %d (%v) when it comes byte by byte", b, n, err, piecewise, pieceErr)
		}
		if err != nil || n == 0 {
			return
		}
		h, err := parseRequest(b[:n])
		if err != nil {
			return
		}
		rest := bytes.NewReader(b)
		engine := bufio.NewReader(rest)
		r, err := http.ReadRequest(engine)
		if err != nil {
			return // the Engine refuses it as well
		}
		fields, err := h.fields()
		if err != nil {
			t.Fatalf("%q: safesock reads no fields (%v), net/http %q", b[:n], err, r.Header)
		}
		for _, hidden := range []string{"Host", "Transfer-Encoding", "Trailer", "Cache-Control"} { // http.ReadRequest moves or adds them
			delete(fields, hidden)
			delete(r.Header, hidden)
		}
		got := fmt.Sprintf("%s %s HTTP/1.%c, length %d, chunked %t, expects %t, fields %q, %d bytes", h.method, h.target, h.version, max(h.length, 0), h.chunked, h.expects,
			fields, n)
		want := fmt.Sprintf("%s %s HTTP/1.%d, length %d, chunked %t, expects %t, fields %q, %d bytes", r.Method, r.RequestURI, r.ProtoMinor, max(r.ContentLength, 0),
			len(r.TransferEncoding) > 0, strings.EqualFold(r.Header.Get("Expect"), "100-continue"), r.Header, len(b)-rest.Len()-engine.Buffered())
		if got != want {
			t.Errorf("%q: safesock reads %s, net/http %s", b[:n], got, want)
		}
	})
}

// If parseAnswer accepts a head, net/http, with which most clients read, sees the
// same status, framing and end.
func FuzzAcceptedAnswersMeanTheSameToClients(f *testing.F) {
	for _, seed := range []string{
		okText,
		"HTTP/1.1 200 OK\nContent-Length: 2\n\nOK",
		"HTTP/1.0 404 \r\nX: a\n\r\nuntil the end",
		"HTTP/1.1 204\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, toHEAD bool) {
		n, err := new(headScan).end(b)
		if err != nil || n == 0 {
			return
		}
		h, err := parseAnswer(b[:n])
		if err != nil || h.status < 200 { // no final answer: http.ReadResponse reads a body behind some
			return
		}
		rest := bytes.NewReader(b)
		client := bufio.NewReader(rest)
		request := &http.Request{Method: http.MethodGet}
		if toHEAD {
			request.Method = http.MethodHead
		}
		r, err := http.ReadResponse(client, request)
		if err != nil {
			return // the client refuses it as well
		}
		how := noBody
		switch {
		case r.Body == http.NoBody:
		case len(r.TransferEncoding) > 0:
			how = byChunks
		case r.ContentLength > 0:
			how = byLength
		default:
			how = byClose
		}
		got := fmt.Sprintf("%d, body %d, %d bytes", h.status, h.answerFraming(toHEAD), n)
		want := fmt.Sprintf("%d, body %d, %d bytes", r.StatusCode, how, len(b)-rest.Len()-client.Buffered())
		if got != want {
			t.Errorf("%q: safesock reads %s, net/http %s", b[:n], got, want)
		}
	})
}

// chunks and net/http see the same bytes as the body, and the same data in it.
func FuzzChunksEndWhereTheEngineSeesTheEnd(f *testing.F) {
	for _, seed := range []string{
		"0\r\n\r\nGET /",
		"3\r\nabc\r\n0\r\nX: 1\r\n\r\nGET /",
		"00A\r\n0123456789\r\n0\r\n\r\n",
		"3;a=b\r\nabc\r\n0\r\n\r\n",
		"3 \r\nabc\r\n0\r\n\r\n",
		"3\nabc\n0\n\n",
		"0\r\na: b\n\nGET / HTTP/1.1\r\n\r\n",
		"ffffffffffffffff\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c chunks
		var data []byte
		n, err := c.feed(b, func(p []byte) { data = append(data, p...) })
		if err != nil || !c.done() {
			return
		}
		// Byte by byte, the result is the same.
		var pieces chunks
		m := 0
		for i := range b[:n] {
			k, err := pieces.feed(b[i:i+1], nil)
			if err != nil {
				t.Fatalf("%q: refused at %d when it comes byte by byte: %v", b, i, err)
			}
			m += k
		}
		if m != n || !pieces.done() {
			t.Errorf("%q ends at %d, and at %d when it comes byte by byte", b, n, m)
		}
		r, err := http.ReadRequest(bufio.NewReader(io.MultiReader(
			strings.NewReader("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), bytes.NewReader(b[:n]), strings.NewReader(ping))))
		if err != nil {
			t.Fatal(err)
		}
		engine, err := io.ReadAll(r.Body)
		if err != nil {
			return // the Engine refuses it as well
		}
		if !bytes.Equal(data, engine) {
			t.Errorf("%q: safesock reads %q, net/http %q", b, data, engine)
		}
		if plain, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(b[:n]))); err == nil && !bytes.Equal(plain, data) {
			t.Errorf("%q: safesock reads %q, httputil %q", b, data, plain)
		}
	})
}

// The bytes behind a chunked body are the next request to net/http, too.
func FuzzBytesBehindChunksAreTheNextRequest(f *testing.F) {
	f.Add([]byte("3\r\nabc\r\n0\r\nX: 1\r\n\r\n"))
	f.Add([]byte("0\r\na: b\n\n\r\n\r\n"))
	f.Add([]byte("0\r\n: \r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c chunks
		n, err := c.feed(b, nil)
		if err != nil || !c.done() || n != len(b) {
			return
		}
		in := bufio.NewReader(io.MultiReader(strings.NewReader("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), bytes.NewReader(b), strings.NewReader(ping)))
		r, err := http.ReadRequest(in)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return // the Engine closes the connection
		}
		next, err := http.ReadRequest(in)
		if err != nil || next.URL.Path != "/_ping" {
			t.Errorf("%q: net/http reads %+v (%v) behind it", b, next, err)
		}
	})
}
