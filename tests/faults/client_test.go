package faults

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// badClient is one way in which clients misbehave.
type badClient struct {
	name  string
	does  func(t *testing.T, c *end)
	hears string // before it is left alone; "" if nothing
	log   string // of it, "" if the log has nothing; ": refused" if safesock does not know what it asks for
}

const halfCreate = "POST /containers/create HTTP/1.1\r\nHost: docker\r\nContent-Length: 400\r\n\r\n{"

func text(s string) func(*testing.T, *end) { return func(_ *testing.T, c *end) { c.say(s) } }

func refusedText(status int, reason string) string {
	return ownAnswer(status, "safesock: "+reason, true)
}

var badClients = []badClient{
	{"says nothing", text(""), "", ""},
	{"says half a head", text("GET /_ping HTTP/1.1\r\nHo"), "", ""},
	{"stops within a body", text(halfCreate), "", ""},
	{"stops within a chunk", text("POST /containers/create HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{"), "", ""},
	{"stops within an upload", text(endless + long), "", ""},
	{"announces more than the limit", text("POST /containers/create HTTP/1.1\r\nHost: docker\r\nContent-Length: 99999999999\r\n\r\n"),
		refusedText(413, "the body is longer than 16777216 bytes, which is as much as is read of one call"), "container.create: refused"},
	{"says garbage", text("\x16\x03\x01\x02\n\xff\n\n"), refusedText(400, "the request line is not METHOD TARGET VERSION"), ": refused"},
	{"stops within garbage", text("\x16\x03\x01\x02\n\xff"), "", ""},
	{"says 2 MiB of head", text("GET /_ping HTTP/1.1\r\nX: " + strings.Repeat(long, 20)), refusedText(431, "the head is longer than 1 MiB"), ": refused"},
	{"says chunks without a size", text("POST /images/load HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), refusedText(400, "a chunk has no size"), ""},
	{"reads nothing of a download", func(t *testing.T, c *end) { c.say(get("/images/get")) }, "", ""},
	{"reads no answers", func(t *testing.T, c *end) {
		for range 3000 {
			c.SetWriteDeadline(soon())
			if _, err := c.UnixConn.Write([]byte(ping)); os.IsTimeout(err) {
				return
			}
		}
	}, "", ""},
	{"says input before attach is answered", text(calls[5].text + "early input"), switched + "early input", "container.attach: 101"},
	{"half-closes at once", func(t *testing.T, c *end) { c.CloseWrite() }, "", ""},
	{"half-closes within a body", func(t *testing.T, c *end) { c.say(halfCreate); c.CloseWrite() }, "", ""},
	{"passes descriptors", func(t *testing.T, c *end) {
		raw, err := c.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) {
			err = unix.Sendmsg(int(fd), []byte(ping), unix.UnixRights(0, 1, 2, 0, 1, 2), nil, 0)
		})
		if err != nil {
			t.Error(err)
		}
	}, okText, ""},
	{"says HTTP/2's preface and no more", text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "", ""},
	{"says garbage behind HTTP/2's preface", text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + long), "", ""},
	{"says half a frame", text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\xff\xff\x01"), "", ""},
	{"says HTTP/2 pings without end", func(t *testing.T, c *end) {
		c.say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
		for range 2000 {
			c.SetWriteDeadline(soon())
			if _, err := c.UnixConn.Write([]byte("\x00\x00\x08\x06\x00\x00\x00\x00\x0001234567")); err != nil {
				return
			}
		}
	}, "", ""},
}

// wellEngine answers every call, in HTTP/1.1 and HTTP/2.
func wellEngine(e *end) {
	if first, err := e.in.Peek(3); err == nil && string(first) == "PRI" {
		http2Engine(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "OK") })(e)
		return
	}
	for {
		r, err := http.ReadRequest(e.in)
		if err != nil {
			return
		}
		switch {
		case isLookup(r):
			e.say(lookedUp(r.URL.Path))
		case r.URL.Path == "/images/get":
			e.say(okHead + "\r\n")
			io.Copy(e.UnixConn, zeros{})
			return
		case r.Header.Get("Upgrade") != "":
			io.Copy(io.Discard, r.Body)
			e.say(switched)
			io.Copy(e.UnixConn, e.in)
			return
		default:
			io.Copy(io.Discard, r.Body)
			e.say(okText)
		}
	}
}

func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: docker\r\n\r\n" }

const badOnes = 20 // clients that misbehave at the same time

func TestOthersAreServedWhileClientsMisbehave(t *testing.T) {
	keepsDescriptors(t, func() {
		for _, b := range badClients {
			t.Run(b.name, func(t *testing.T) {
				w := newWorld(t, wellEngine)
				var held []*end
				wantLog := []string{}
				for range badOnes {
					c := w.dial()
					held = append(held, c)
					b.does(t, c)
					got := make([]byte, len(b.hears))
					if n, err := io.ReadFull(c.in, got); string(got[:n]) != b.hears {
						t.Fatalf("it heard\n%q (%v) want\n%q", got[:n], err, b.hears)
					}
					if b.log != "" {
						wantLog = append(wantLog, b.log)
					}
				}
				wantLog = append(wantLog, w.beServed()...)
				for _, c := range held {
					c.Close()
				}
				w.awaitNone()
				if got := w.log(); !slices.Equal(got, wantLog) {
					t.Errorf("the log has %q want %q", got, wantLog)
				}
			})
		}
	})
}

// beServed makes a call of each kind, twice on a connection, and then speaks
// HTTP/2. It returns what the log is to have of it.
func (w *world) beServed() (log []string) {
	w.t.Helper()
	for _, c := range calls[:5] {
		client := w.dial()
		for range 2 {
			want := okText
			if c.name == "ping by HEAD" {
				continue // its Engine answers as to GET
			}
			client.say(c.text)
			got := make([]byte, len(want))
			if n, err := io.ReadFull(client.in, got); string(got[:n]) != want {
				w.t.Errorf("%s: another client saw\n%q (%v) want\n%q", c.name, got[:n], err, want)
			}
			if c.endpoint != "" {
				log = append(log, fmt.Sprint(c.endpoint, ": 200"))
			}
		}
		client.Close()
	}
	client := w.dial()
	client.say(calls[6].text)
	client.say("echo")
	got := make([]byte, len(switched+"echo"))
	if n, err := io.ReadFull(client.in, got); string(got[:n]) != switched+"echo" {
		w.t.Errorf("another client saw %q (%v)", got[:n], err)
	}
	client.Close()
	log = append(log, "exec.start: 101")

	r, err := http.NewRequest("GET", "http://docker/_ping", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	h := w.dial().http2(w.t)
	defer h.Close()
	answer, err := h.RoundTrip(r)
	if err != nil {
		w.t.Errorf("another client of HTTP/2: %v", err)
		return log
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); string(body) != "OK" || err != nil {
		w.t.Errorf("another client of HTTP/2 saw %q (%v)", body, err)
	}
	return log
}
