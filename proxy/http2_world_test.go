package proxy

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// http2Engine returns what an Engine does that speaks HTTP/2, as Engines since 29.
func http2Engine(t *testing.T, answer http.HandlerFunc) func(*peerEnd) {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: answer, Protocols: &protocols}
	l := &oneConn{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return func(e *peerEnd) {
		c := &acted{peerEnd: e, closed: make(chan struct{})}
		l.conn <- c
		<-c.closed
	}
}

// acted is a connection of the Engine. Its channel is closed with it.
type acted struct {
	*peerEnd
	once   sync.Once
	closed chan struct{}
}

func (c *acted) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.UnixConn.Close()
}

// dialHTTP2 connects a client to safesock, for HTTP/2.
func (w *world) dialHTTP2() *http.ClientConn {
	w.t.Helper()
	return over(w.t, w.dial())
}

// over returns a client that speaks HTTP/2 over a connection.
func over(t *testing.T, conn net.Conn) *http.ClientConn {
	t.Helper()
	transport := &http.Transport{
		Protocols:          onlyHTTP2(),
		DisableCompression: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return conn, nil
		},
	}
	c, err := transport.NewClientConn(context.Background(), "http", "docker:80")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// call returns a request to which net/http adds no field of its own.
func call(t *testing.T, method, target string, body io.Reader, header http.Header) *http.Request {
	t.Helper()
	path, query, _ := strings.Cut(target, "?")
	r, err := http.NewRequestWithContext(t.Context(), method, "http://docker/", body)
	if err != nil {
		t.Fatal(err)
	}
	r.URL = &url.URL{Scheme: "http", Host: "docker", Opaque: path, RawQuery: query}
	r.Header["User-Agent"] = nil
	maps.Copy(r.Header, header)
	return r
}

// answered sends a request and waits for the whole answer.
func answered(t *testing.T, c *http.ClientConn, r *http.Request) (*http.Response, string) {
	t.Helper()
	answer, err := c.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return answer, string(body)
}

// text returns a head, with its fields sorted, and a body as one text.
func text(start string, header http.Header, body string) string {
	for _, name := range slices.Sorted(maps.Keys(header)) {
		start += fmt.Sprintf("\n%s: %q", name, header[name])
	}
	return start + "\n\n" + body
}

func asText(r *http.Request) string {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	return text(fmt.Sprintf("%s %s %s %s", r.Method, r.RequestURI, r.Proto, r.Host), r.Header, string(body))
}

func within(t *testing.T, over <-chan bool) {
	t.Helper()
	select {
	case <-over:
	case <-time.After(patience):
		t.Fatal("nothing happens")
	}
}
