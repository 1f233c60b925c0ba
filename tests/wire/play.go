package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// patience is how long a conversation may take. It is far more than any plan
// pauses, so that only what hangs takes as long.
const patience = 20 * time.Second

// play has both parties of a plan talk through safesock. The error tells how
// far they came.
func (p *plan) play(w *world) error {
	called := w.await(p.seed)
	defer w.forget(p.seed)
	conn, err := net.Dial("unix", w.socket)
	if err != nil {
		return err
	}
	c, e := newSpeaker(p, client), newSpeaker(p, engine)
	if !w.direct {
		e.allowed = p.opens
	}
	c.begin(conn, conn)
	var both errgroup.Group
	both.Go(func() error { return c.hangUpOn(c.speak()) })
	both.Go(func() error { return c.hangUpOn(c.listen()) })
	both.Go(func() error {
		select {
		case call := <-called:
			e.begin(call.Conn, call)
		case <-time.After(patience):
			return c.hangUpOn(fmt.Errorf("nobody calls the Engine: %w", os.ErrDeadlineExceeded))
		}
		both.Go(func() error { return e.hangUpOn(e.listen()) })
		return e.hangUpOn(e.speak())
	})
	if err := both.Wait(); err != nil {
		return fmt.Errorf("%w\n%v\n%v", err, c, e)
	}
	return nil
}

// speaker is one party while its plan is played.
type speaker struct {
	plan *plan
	by   party
	conn *net.UnixConn
	in   io.Reader // of conn

	mu      sync.Mutex
	news    sync.Cond
	heard   int
	over    error // why the other says no more: io.EOF
	allowed int   // how much may be heard by now
	made    int   // moves
}

func newSpeaker(p *plan, by party) *speaker {
	s := &speaker{plan: p, by: by, allowed: math.MaxInt}
	s.news.L = &s.mu
	return s
}

// begin gives the speaker its connection, and how to read it.
func (s *speaker) begin(conn net.Conn, in io.Reader) {
	s.conn, s.in = conn.(*net.UnixConn), in
	_ = s.conn.SetDeadline(time.Now().Add(patience)) // cannot fail on an open socket
}

func (s *speaker) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	moves := 0
	for _, m := range s.plan.moves {
		if m.by == s.by {
			moves++
		}
	}
	return fmt.Sprintf("the %s has made %d of its %d moves and heard %d of %d bytes (%v)",
		s.by, s.made, moves, s.heard, len(s.plan.says[s.by.other()]), s.over)
}

// hangUpOn closes the connection if there was an error, so that the other
// party does not wait for it to no end.
func (s *speaker) hangUpOn(err error) error {
	if err == nil {
		return nil
	}
	s.conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over == nil {
		s.over = net.ErrClosed
	}
	s.news.Broadcast()
	return fmt.Errorf("%s: %w", s.by, err)
}

// speak makes the moves of the plan.
func (s *speaker) speak() error {
	said := 0
	for _, m := range s.plan.moves {
		if m.by != s.by {
			continue
		}
		if err := s.hearUntil(m.after); err != nil {
			return err
		}
		time.Sleep(m.pause)
		s.allow(m.allows)
		var err error
		switch m.does {
		case writes:
			_, err = s.conn.Write(s.plan.says[s.by][said:m.until])
			said = m.until
		case ends:
			err = s.conn.CloseWrite()
		case leaves:
			err = s.conn.Close()
		}
		if err != nil && (!s.plan.parts[s.by.other()] || errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
		s.mu.Lock()
		s.made++
		s.mu.Unlock()
	}
	return nil
}

// hearUntil waits until so much was heard, or the end.
func (s *speaker) hearUntil(after int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.heard < after && s.over == nil {
		s.news.Wait()
	}
	if s.heard < after && after != theEnd && !s.plan.parts[s.by] {
		return fmt.Errorf("waits for byte %d: %w", after, s.over)
	}
	return nil
}

// allow lets the Engine hear more, once it has begun the last words of an answer.
func (s *speaker) allow(until int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allowed = max(s.allowed, until)
}

// listen compares what comes with what the other party says, until its end.
func (s *speaker) listen() error {
	want, whole := s.plan.says[s.by.other()], !s.plan.parts[s.by]
	room := rooms.Get().(*[64 << 10]byte)
	defer rooms.Put(room)
	buffer := room[:]
	if slow := s.plan.slow[s.by]; slow > 0 {
		buffer = buffer[:min(slow, len(buffer))]
	}
	for at := 0; ; {
		n, err := s.in.Read(buffer)
		if got := buffer[:n]; n > len(want)-at || !bytes.Equal(got, want[at:at+n]) {
			return differs(at, got, want[at:])
		}
		at += n
		allowed := s.hear(n, err)
		switch {
		case at > allowed:
			return fmt.Errorf("hears %d bytes before the answer has gone out that lets through more than %d", at, allowed)
		case err != nil && !s.isEnd(err), err != nil && whole && at < len(want):
			return fmt.Errorf("hears %d of %d bytes: %w", at, len(want), err)
		case err != nil:
			return nil
		}
		if len(buffer) < len(room) {
			time.Sleep(time.Millisecond)
		}
	}
}

// isEnd reports whether an error is how the plan ends: by the other party's end,
// its own, or a socket that was closed with bytes unread.
func (s *speaker) isEnd(err error) bool {
	breaks := s.plan.parts[client] || s.plan.parts[engine]
	return err == io.EOF || errors.Is(err, net.ErrClosed) || breaks && errors.Is(err, syscall.ECONNRESET)
}

var rooms = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// hear counts what was heard, and gives how much may be.
func (s *speaker) hear(n int, over error) (allowed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard += n
	s.over = over
	s.news.Broadcast()
	return s.allowed
}

// differs tells where bytes are not those that were said.
func differs(at int, got, want []byte) error {
	n := 0
	for n < len(got) && n < len(want) && got[n] == want[n] {
		n++
	}
	const shown = 48
	return fmt.Errorf("hears at byte %d\n%q\nand not\n%q", at+n, got[n:min(len(got), n+shown)], want[n:min(len(want), n+shown)])
}
