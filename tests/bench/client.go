//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// client is one Docker client: net/http on a connection of its own, kept alive.
type client struct {
	http.Transport
	base string
}

func newClient(socket string) *client {
	c := &client{base: "http://api.moby.localhost"}
	c.DisableCompression = true
	c.DialContext = func(context.Context, string, string) (net.Conn, error) { return dialUnix(socket) }
	return c
}

func (c *client) request(method, target string, body io.Reader) *http.Request {
	r, err := http.NewRequest(method, c.base+target, body)
	if err != nil {
		panic(err) // a measure is written wrong
	}
	r.Header.Set("User-Agent", "Docker-Client/28.5.2 (linux)")
	return r
}

// call makes a call and reads its answer away. It tells the body's size.
func (c *client) call(r *http.Request, status int) (int64, error) {
	answer, err := c.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	size, err := readAway(answer.Body)
	if err == nil && answer.StatusCode != status {
		err = fmt.Errorf("%s %s: %s, want %d", r.Method, r.URL.Path, answer.Status, status)
	}
	return size, err
}

func (c *client) ping() error {
	_, err := c.call(c.request("GET", "/_ping", nil), http.StatusOK)
	return err
}

// apiVersion is how the stub engine's paths begin.
const apiVersion = "/v1.51"

func (c *client) createCall(version, name string, body []byte) *http.Request {
	r := c.request("POST", version+"/containers/create?name="+name, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func pingOnce(socket string) error {
	c := newClient(socket)
	defer c.CloseIdleConnections()
	return c.ping()
}

// patience is how long a connection may take for all that a measure does.
const patience = 30 * time.Second

func dialUnix(socket string) (*net.UnixConn, error) {
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	return c, c.SetDeadline(time.Now().Add(patience))
}

// stream is a connection without net/http.
type stream struct {
	*net.UnixConn
	in *bufio.Reader
}

func dial(socket string) (*stream, error) {
	c, err := dialUnix(socket)
	if err != nil {
		return nil, err
	}
	return &stream{c, bufio.NewReaderSize(c, 1<<10)}, nil
}

// send writes a request by hand and reads the head of its answer.
func (s *stream) send(method, target, headers string, status int) error {
	_, err := fmt.Fprintf(s, "%s %s HTTP/1.1\r\nHost: api.moby.localhost\r\n%s\r\n", method, target, headers)
	if err != nil {
		return err
	}
	answer, err := http.ReadResponse(s.in, nil)
	if err == nil && answer.StatusCode != status {
		err = fmt.Errorf("%s %s: %s, want %d", method, target, answer.Status, status)
	}
	return err
}

// attach becomes the raw stream of a container of the stub engine, which
// knows what is at work in it from the call.
func attach(socket, container, run string, bytes int64) (*stream, error) {
	s, err := dial(socket)
	if err != nil {
		return nil, err
	}
	target := fmt.Sprintf(apiVersion+"/containers/%s/attach?stdin=1&stdout=1&stream=1&run=%s&bytes=%d", container, run, bytes)
	err = s.send("POST", target, "Content-Length: 0\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n", http.StatusSwitchingProtocols)
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}
