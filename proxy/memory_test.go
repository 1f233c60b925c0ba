package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fill takes all the room of a share, and returns what gives it back.
func (s *share) fill(t *testing.T) (empty func()) {
	t.Helper()
	r, err := s.take(s.most, func() (context.Context, func()) { return context.Background(), func() {} })
	if err != nil {
		t.Fatal(err)
	}
	return func() { r.keep(0) }
}

// awaitWaiting waits until so many calls wait for room.
func (s *share) awaitWaiting(n int32) {
	for s.waiting.Load() < n {
		time.Sleep(time.Millisecond)
	}
}

// large is a create whose body and decision are not small.
func large() string {
	return create(`{"Image":"web:1","Env":["x=` + strings.Repeat("x", 2<<20) + `"]}`)
}

func served(request string) func(*peerEnd) {
	return func(e *peerEnd) {
		e.expect(request)
		e.send(answer("201 Created", created))
	}
}

func TestALargeCallWaitsForRoomAndSmallCallsPass(t *testing.T) {
	for name, of := range map[string]func(*memory) *share{
		"bodies":    func(m *memory) *share { return &m.bodies },
		"decisions": func(m *memory) *share { return &m.decisions },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(e *peerEnd) {
				request, err := http.ReadRequest(e.in)
				if err != nil {
					t.Error(err)
					return
				}
				digest(t, request.Body)
				e.send(answer("201 Created", created))
			})
			first := w.dial()
			first.send(ping[:4]) // so that safesock serves
			w.awaitConnections(1)
			share := of(w.server.memory)
			empty := share.fill(t)
			waiting := w.dial()
			go waiting.send(large())
			share.awaitWaiting(1)
			for _, body := range []string{openBody, boundBody} {
				small := w.dial()
				small.send(create(body))
				small.expect("HTTP/1.1 201 Created\r\n")
				small.Close()
			}
			leaving := w.dial()
			go leaving.UnixConn.Write([]byte(large()))
			share.awaitWaiting(2)
			leaving.Close()
			w.awaitConnections(2)
			empty()
			waiting.expect(answer("201 Created", created))
		})
	}
}

func TestServingEndsWhileACallWaitsForRoom(t *testing.T) {
	w := newWorld(t, func(e *peerEnd) { t.Error("the Engine got a call") }, func(s *Server) { s.Drain = 1 })
	c := w.dial()
	c.send(create(openBody)[:4])
	w.awaitConnections(1)
	defer w.server.memory.bodies.fill(t)()
	go c.UnixConn.Write([]byte(large()[4:]))
	w.server.memory.bodies.awaitWaiting(1)
	w.stop()
	if err := w.awaitStop(); err != nil {
		t.Error(err)
	}
}

// A client that stops within its body holds room that others wait for.
func TestABodyThatDoesNotComeIsGivenUpWhenOthersWait(t *testing.T) {
	for name, test := range map[string]struct {
		request string
		room    int64 // that it takes
	}{
		"sized":   {large(), 2<<20 + 100},
		"chunked": {chunkedCreate(2 << 20), 16 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			request := large()
			w := newWorld(t, served(request), func(s *Server) { s.slow = 1 })
			slow := w.dial()
			w.awaitConnections(1)
			bodies := &w.server.memory.bodies
			others, err := bodies.take(bodies.most-test.room, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer others.keep(0)
			slow.send(test.request[:1<<20])
			for bodies.large.TryAcquire(test.room) {
				bodies.large.Release(test.room)
				time.Sleep(time.Millisecond)
			}
			c := w.dial()
			go c.send(request)
			slow.expectAnswer("408 safesock: the body did not come in time, and other calls wait for the memory; try again")
			c.expect(answer("201 Created", created))
		})
	}
}

func chunkedCreate(n int) string {
	body := `{"Env":["x=` + strings.Repeat("x", n) + `"]}`
	return fmt.Sprintf("POST /containers/create HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)
}

// All room is there again after calls of each kind.
func TestAllRoomIsGivenBack(t *testing.T) {
	w := newWorld(t, func(e *peerEnd) {
		for {
			request, err := http.ReadRequest(e.in)
			if err != nil {
				return
			}
			digest(t, request.Body)
			if strings.HasPrefix(request.Header.Get("X-Answer"), "long") {
				e.send("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n20000\r\n" + strings.Repeat(" ", 0x20000) + "\r\n0\r\n\r\n")
			} else {
				e.send(answer("201 Created", created))
			}
		}
	})
	w.setPolicy(`port "none" {
		when   = port.container == 81
		action = "deny"
	}`)
	for _, request := range []string{
		create(openBody), create(boundBody), large(), chunkedCreate(10), chunkedCreate(2 << 20),
		strings.Replace(create(openBody), "X-Last: 1", "X-Answer: long", 1),
		strings.Replace(large(), "X-Last: 1", "X-Answer: long", 1),
		strings.Replace(create(openBody), "80/tcp", "81/tcp", 1),
		create("{"),
		ping, create(openBody)[:200],
	} {
		c := w.dial()
		c.send(request)
		c.closeWrite()
		digest(t, c.in)
		c.Close()
	}
	w.awaitConnections(0)
	w.checkRoom()
}

// checkRoom checks that no call holds room.
func (w *world) checkRoom() {
	w.t.Helper()
	m := w.server.memory
	for name, share := range map[string]struct {
		*share
		small int64
	}{
		"bodies":    {&m.bodies, 8 << 20},
		"decisions": {&m.decisions, 24 << 20},
		"answers":   {&m.answers, 8 << 20},
	} {
		if !share.large.TryAcquire(share.most) || !share.share.small.TryAcquire(share.small) {
			w.t.Errorf("some room for %s is not given back", name)
		}
	}
}

func TestALargeCallOverHTTP2WaitsForRoom(t *testing.T) {
	w := newWorld(t, http2Engine(t, func(a http.ResponseWriter, r *http.Request) {
		digest(t, r.Body)
		a.WriteHeader(http.StatusCreated)
		io.WriteString(a, created)
	}))
	c := w.dialHTTP2()
	w.awaitConnections(1)
	bodies := &w.server.memory.bodies
	empty := bodies.fill(t)
	request := func(ctx context.Context, c *http.ClientConn, pad int) string {
		body := `{"Image":"web:1","Env":["x=` + strings.Repeat("x", pad) + `"]}`
		answer, err := c.RoundTrip(call(t, "POST", "/containers/create", strings.NewReader(body), nil).WithContext(ctx))
		if err != nil {
			return err.Error()
		}
		digest(t, answer.Body)
		return answer.Status
	}
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan string)
	go func() { ended <- request(ctx, c, 2<<20) }()
	bodies.awaitWaiting(1)
	other := w.dialHTTP2()
	got := []string{request(t.Context(), other, 10)}
	other.Close()
	leave()
	got = append(got, <-ended)
	go func() { ended <- request(t.Context(), c, 2<<20) }()
	bodies.awaitWaiting(1)
	empty()
	got = append(got, <-ended)
	if want := []string{"201 Created", "context canceled", "201 Created"}; !slices.Equal(got, want) {
		t.Errorf("got %q want %q", got, want)
	}
	c.Close()
	w.awaitConnections(0)
	w.checkRoom()
}

func TestABodyOverHTTP2ThatDoesNotComeIsGivenUpWhenOthersWait(t *testing.T) {
	w := newWorld(t, http2Engine(t, func(a http.ResponseWriter, r *http.Request) {
		digest(t, r.Body)
		a.WriteHeader(http.StatusCreated)
	}), func(s *Server) { s.slow = 1 })
	c := w.dialHTTP2()
	w.awaitConnections(1)
	m := w.server.memory
	upload, out := io.Pipe()
	defer out.Close()
	status := make(chan string)
	send := func(body io.Reader) {
		answer, err := c.RoundTrip(call(t, "POST", "/containers/create", body, nil))
		if err != nil {
			t.Error(err)
			status <- ""
			return
		}
		status <- answer.Status
	}
	go send(upload) // of an unknown length, and longer than most: of half of the room
	go io.WriteString(out, `{"Image":"`+strings.Repeat("x", 70_000))
	for m.bodies.large.TryAcquire(m.bodies.most) {
		m.bodies.large.Release(m.bodies.most)
		time.Sleep(time.Millisecond)
	}
	rest, err := m.bodies.take(16<<20, nil)
	if err != nil {
		t.Fatal(err)
	}
	go send(strings.NewReader(`{"Image":"web:1","Env":["x=` + strings.Repeat("x", 2<<20) + `"]}`))
	got := []string{<-status, <-status}
	rest.keep(0)
	if want := "[408 Request Timeout 201 Created]"; fmt.Sprint(got) != want {
		t.Errorf("got %s want %s", got, want)
	}
}

func TestRoomIsGivenBackOnceWhoeverGivesIt(t *testing.T) {
	m := newMemory(time.Second)
	for range 2000 {
		r, err := m.bodies.take(100, nil)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { r.keep(0) })
		}
		all.Wait()
	}
	if !m.bodies.small.TryAcquire(8 << 20) {
		t.Error("room is missing")
	}
}
