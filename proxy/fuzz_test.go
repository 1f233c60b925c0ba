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

// If parseRequest accepts a head, net/http reads the same method, target, Host
// and framing. The end of the head is the same however the head comes.
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
		behind := bytes.NewReader(b)
		engine := bufio.NewReaderSize(behind, 1)
		r, err := http.ReadRequest(engine)
		if err != nil {
			return // the Engine refuses it as well
		}
		got := fmt.Sprintf("%s %s HTTP/1.%c, length %d, chunked %t, expects %t", h.method, h.target, h.version, max(h.length, 0), h.chunked, h.expects)
		want := fmt.Sprintf("%s %s HTTP/1.%d, length %d, chunked %t, expects %t", r.Method, r.RequestURI, r.ProtoMinor, max(r.ContentLength, 0),
			len(r.TransferEncoding) > 0, strings.EqualFold(r.Header.Get("Expect"), "100-continue"))
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
