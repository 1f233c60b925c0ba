package faults

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/safesock/safesock"
	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite"
)

// phase is a point in a conversation at which it is cut short.
type phase struct {
	name   string
	act    func(*end)             // the Engine's part, until it has come so far
	reach  func(w *world, c *end) // the client's
	log    []string               // what the log has in the end
	unread bool                   // the Engine reads on once the client has left
}

const (
	switched = "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
	grpcCall = "POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
	endless  = "POST /images/load HTTP/1.1\r\nHost: docker\r\nContent-Length: 999999999999\r\n\r\n"
)

var phases = []phase{
	{name: "nothing was said", act: silent, reach: func(w *world, c *end) { w.awaitSome() }},
	{name: "half a head was said", act: silent, reach: says("GET /_ping HTTP/1.1\r\nHo", "")},
	{name: "half a body was said", act: silent, reach: says("POST /containers/create HTTP/1.1\r\nHost: docker\r\nContent-Length: 400\r\n\r\n{", "")},
	{name: "half a chunked body was said", act: silent, reach: says("POST /containers/create HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{", "")},
	{name: "a call was answered", act: bad{says: okText, then: goesOn}.act, reach: hears(ping, okText)},
	{name: "a call was refused", act: silent, reach: hears("GET  / HTTP/1.1\r\n\r\n", ownAnswer(400, "safesock: the request line is not METHOD TARGET VERSION", true)), log: []string{": refused"}},
	{name: "a look-up is under way", act: silentLookup, reach: says(calls[4].text, "GET /containers/web/json"), log: []string{"container.start: refused"}},
	{name: "a look-up is under way, the next call was said", act: silentLookup, reach: says(calls[4].text+ping, "GET /containers/web/json"), log: []string{"container.start: refused"}},
	{name: "an answer is owed", act: silent, reach: says(ping, "GET /_ping")},
	{name: "an answer is owed, the next call was said", act: silent, reach: says(ping+ping, "GET /_ping")},
	{name: "an answer is owed, half of the next call was said", act: silent, reach: says(ping+ping[:20], "GET /_ping")},
	{name: "an answer is owed to a create", act: silent, reach: says(calls[3].text, "POST /containers/create"), log: []string{"container.create: 502"}},
	{name: "an answer to a create is half there", act: bad{says: okText[:len(okText)-3], then: waits}.act, reach: func(w *world, c *end) {
		c.say(calls[3].text)
		await(w.t, "half an answer at safesock", func() string {
			if w.engine.said.Load() > 0 {
				return ""
			}
			return "none"
		})
	}, log: []string{"container.create: 200"}},
	{name: "an answer is half there", act: bad{says: okText[:len(okText)-3], then: waits}.act, reach: hears(ping, okText[:len(okText)-3])},
	{name: "the verdict of attach is owed", act: silent, reach: says(calls[5].text, "POST /containers/"+containerID+"/attach"), log: []string{"container.attach: 502"}},
	{name: "the verdict of exec start is owed, input was said", act: silent, reach: says(calls[6].text+"input", "POST /exec/0a/start"), log: []string{"exec.start: 502"}},
	{name: "the verdict of session is owed", act: silent, reach: says(calls[7].text, "POST /session"), log: []string{"session: 502"}},
	{name: "the verdict of session is owed, much was said", act: silent, reach: fills(calls[7].text, ""), log: []string{"session: 502"}},
	{name: "an upload is under way", act: readsOn, reach: says(endless+long, "POST /images/load")},
	{name: "a chunked upload is under way", act: readsOn, reach: says("POST /images/load HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n"+long, "POST /images/load")},
	{name: "an upload is not read", act: readsNot(""), reach: fills(endless, ""), unread: true},
	{name: "a download is under way", act: bad{says: chunked + "5\r\n{\"Id\"\r\n", then: waits}.act, reach: hears(ping, chunked+"5\r\n{\"Id\"\r\n")},
	{name: "a download is not read", act: saysOn(okHead + "\r\n"), reach: says(ping, "blocked")},
	{name: "a raw stream is quiet", act: bad{says: switched, then: waits}.act, reach: hears(calls[6].text, switched), log: []string{"exec.start: 101"}},
	{name: "a raw stream's input is not read", act: readsNot(switched), reach: fills(calls[6].text, switched), log: []string{"exec.start: 101"}, unread: true},
	{name: "a raw stream's output is not read", act: saysOn(switched), reach: says(calls[6].text, "blocked"), log: []string{"exec.start: 101"}},
	{name: "a raw stream's input has ended", act: func(e *end) {
		e.request()
		e.say(switched)
		io.Copy(io.Discard, e)
		e.engine.noteText("end")
		e.awaitGone()
	}, reach: func(w *world, c *end) {
		hears(calls[6].text, switched)(w, c)
		c.CloseWrite()
		w.engine.await(w.t, "end")
	}, log: []string{"exec.start: 101"}},
	{name: "a raw stream's output has ended", act: func(e *end) {
		e.request()
		e.say(switched)
		e.CloseWrite()
		io.Copy(io.Discard, e)
	}, reach: func(w *world, c *end) {
		hears(calls[6].text, switched)(w, c)
		io.Copy(io.Discard, c.in)
	}, log: []string{"exec.start: 101"}},
	{name: "HTTP/2's preface is half there", act: silent, reach: says("PRI * HTTP/2.0\r\n\r\nSM", "")},
	{name: "an Engine is silent about HTTP/2", act: silent, reach: says("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PRI *")},
	{name: "a refused upgrade to gRPC is quiet", act: silent, reach: func(w *world, c *end) {
		w.deny("grpc")
		hears(grpcCall, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")(w, c)
	}, log: []string{"grpc: refused"}},
	{name: "a stream is quiet", act: http2Engine(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), reach: streams("GET", "/events", "GET /events", nil)},
	{name: "a stream's look-up is under way", act: http2Engine(nil), reach: streams("POST", "/containers/web/start", "GET /containers/web/json", nil), log: []string{"container.start: refused"}},
	{name: "a stream's answer is owed", act: http2Engine(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
		reach: streams("POST", "/session", "POST /session", nil), log: []string{"session: 502"}},
	{name: "a stream's upload is not read", act: http2Engine(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), reach: streams("POST", "/images/load", "POST /images/load", zeros{})},
	{name: "a stream's download is not read", act: http2Engine(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, zeros{}) }), reach: streams("GET", "/images/get", "GET /images/get", nil)},
}

func TestNothingRunsOnOnceAClientHasLeft(t *testing.T) {
	keepsDescriptors(t, func() {
		for _, p := range phases {
			t.Run(p.name, func(t *testing.T) {
				w := newWorld(t, p.act)
				c := w.dial()
				p.reach(w, c)
				c.Close()
				if p.unread {
					w.engine.noteText("read on")
				}
				w.awaitNone()
				w.check(p)
			})
		}
	})
}

func TestServingEndsInEachPhase(t *testing.T) {
	keepsDescriptors(t, func() {
		for _, p := range phases {
			t.Run(p.name, func(t *testing.T) {
				w := newWorld(t, p.act)
				c := w.dial()
				p.reach(w, c)
				w.end()
				c.awaitGone()
				w.awaitNone()
				w.check(p)
			})
		}
	})
}

func (w *world) check(p phase) {
	w.t.Helper()
	want := p.log
	if p.log == nil {
		want = []string{}
	}
	if got := w.log(); !slices.Equal(got, want) {
		w.t.Errorf("the log has %q want %q", got, want)
	}
}

// awaitSome waits until safesock serves a client.
func (w *world) awaitSome() {
	w.t.Helper()
	await(w.t, "a client at safesock", func() string {
		if len(goroutines()) > 0 {
			return ""
		}
		return "none"
	})
}

// deny refuses an endpoint.
func (w *world) deny(endpoint string) {
	w.t.Helper()
	src := fmt.Sprintf("api \"none\" {\n  when = call.endpoint == %q\n  action = \"deny\"\n}\n", endpoint)
	p, err := policy.Parse(rewrite.Names, policy.File{Name: "test.hcl", Src: []byte(src)}, safesock.Policy)
	if err != nil {
		w.t.Fatal(err)
	}
	w.server.SetPolicy(p)
}

// silent has a call and never answers.
func silent(e *end) {
	if e.request() != nil {
		io.Copy(io.Discard, e)
	}
}

// silentLookup never answers what safesock asks.
func silentLookup(e *end) {
	if r, err := http.ReadRequest(e.in); err == nil {
		e.engine.note(r)
		io.Copy(io.Discard, e)
	}
}

// readsOn reads a body that never ends.
func readsOn(e *end) {
	if r, err := http.ReadRequest(e.in); err == nil {
		e.engine.note(r)
		io.Copy(io.Discard, e)
	}
}

// readsNot answers the head of a call, and reads nothing more until it is told to.
func readsNot(says string) func(*end) {
	return func(e *end) {
		r, err := http.ReadRequest(e.in)
		for ; err == nil && isLookup(r); r, err = http.ReadRequest(e.in) {
			e.say(lookedUp(r.URL.Path))
		}
		if err != nil {
			return
		}
		e.engine.note(r)
		e.say(says)
		for !slices.Contains(e.engine.had(), "read on") && !e.closed() {
			time.Sleep(time.Millisecond)
		}
		io.Copy(io.Discard, e)
	}
}

// saysOn answers without end, and notes when nobody reads it.
func saysOn(says string) func(*end) {
	return func(e *end) {
		if e.request() == nil {
			return
		}
		e.say(says)
		e.fill()
		e.engine.noteText("blocked")
		e.SetWriteDeadline(time.Now().Add(patience))
		io.Copy(e.UnixConn, zeros{})
	}
}

// says is a client that says something, and goes on once the Engine had a call.
func says(text, until string) func(*world, *end) {
	return func(w *world, c *end) {
		w.t.Helper()
		c.say(text)
		w.awaitSome()
		if until != "" {
			w.engine.await(w.t, until)
		}
	}
}

// hears is a client that waits until it has heard an answer.
func hears(text, answer string) func(*world, *end) {
	return func(w *world, c *end) {
		w.t.Helper()
		c.say(text)
		got := make([]byte, len(answer))
		if n, err := io.ReadFull(c.in, got); string(got) != answer {
			w.t.Errorf("the client heard %q (%v) want %q", got[:n], err, answer)
		}
	}
}

// fills is a client that then writes until nobody reads any more.
func fills(text, answer string) func(*world, *end) {
	return func(w *world, c *end) {
		w.t.Helper()
		hears(text, answer)(w, c)
		c.fill()
	}
}

// fill writes until no byte was taken for a while.
func (e *end) fill() {
	b := make([]byte, 64<<10)
	for {
		if err := e.SetWriteDeadline(soon()); err != nil {
			return
		}
		if n, err := e.UnixConn.Write(b); err != nil && (n == 0 || !os.IsTimeout(err)) {
			return
		}
	}
}

// soon is how long a write may wait before nobody seems to read.
func soon() time.Time { return time.Now().Add(100 * time.Millisecond) }

// zeros are without end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
