package proxy

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// memory bounds what the calls take that are read and decided at a time, all
// clients together. A call that finds no room waits its turn.
//
// A call takes room for its body, then for its decision, then for the Engine's
// answer, each from another share. So a call that waits never holds what the
// call before it needs. Small calls have shares of their own, which large ones
// cannot fill.
type memory struct {
	bodies, decisions, answers share
	slow                       time.Duration // after which a body is given up if others wait
}

func newMemory(slow time.Duration) *memory {
	return &memory{
		bodies:    newShare(8<<20, 32<<20, 64<<10),
		decisions: newShare(24<<20, 96<<20, 4<<20),
		answers:   newShare(8<<20, 32<<20, 64<<10),
		slow:      slow,
	}
}

// share is a number of bytes for one purpose.
type share struct {
	small, large *semaphore.Weighted
	most         int64 // of the larger share, and so of one call
	smallest     int64 // up to here a call is small
	waiting      *atomic.Int32
}

func newShare(small, large, smallest int64) share {
	return share{semaphore.NewWeighted(small), semaphore.NewWeighted(large), large, smallest, new(atomic.Int32)}
}

// room is what a call has taken of a share. The zero value is no room.
type room struct {
	of *semaphore.Weighted
	n  int64
}

// take takes n bytes, as soon as they are there. waiting is [callWorld]'s. An
// error means that the client has left.
func (s *share) take(n int64, waiting func() (context.Context, func())) (room, error) {
	r := room{s.small, n}
	if n > s.smallest {
		r = room{s.large, min(n, s.most)}
	}
	if r.of.TryAcquire(r.n) {
		return r, nil
	}
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	ctx, stop := waiting()
	defer stop()
	if err := r.of.Acquire(ctx, r.n); err != nil {
		return room{}, errLeft
	}
	return r, nil
}

// keep gives back all but n bytes. The goroutine of a call's request and that of
// its answer may both be done with the room at a time.
func (r *room) keep(n int64) {
	for {
		held := atomic.LoadInt64(&r.n)
		if n >= held {
			return
		}
		if atomic.CompareAndSwapInt64(&r.n, held, n) {
			r.of.Release(held - n)
			return
		}
	}
}

var errLeft = errors.New("the client has left")

// hurry has giveUp called if a body takes long and others wait for its room. stop
// has to be called, and reports whether that was so.
func (m *memory) hurry(giveUp func()) (stop func() bool) {
	read, gaveUp := make(chan struct{}), make(chan bool)
	go m.watch(giveUp, read, gaveUp)
	return func() bool {
		close(read)
		return <-gaveUp
	}
}

func (m *memory) watch(giveUp func(), read <-chan struct{}, gaveUp chan<- bool) {
	ticks := time.NewTicker(m.slow)
	defer ticks.Stop()
	for {
		select {
		case <-read:
			gaveUp <- false
			return
		case <-ticks.C:
		}
		if m.bodies.waiting.Load() > 0 {
			giveUp()
			<-read
			gaveUp <- true
			return
		}
	}
}

var errSlow = &refusal{http.StatusRequestTimeout, "the body did not come in time, and other calls wait for the memory; try again"}

// cost returns about how many bytes of memory it takes to read and decide a call
// with this body or query. Most is taken by what the policy decides: the shortest
// claim is one of many {} in a list of a port's bindings.
func cost(text []byte) int64 {
	values := 0
	for _, mark := range []string{",", "[", "{", "\n", "&", "%"} {
		values += bytes.Count(text, []byte(mark))
	}
	const ofByte, ofClaim, ofValue = 4, 1600, 100 // measured
	const maxClaims, maxValues = 70_000, 1 << 20  // more are refused by rewrite
	return ofByte*int64(len(text)) + max(ofClaim*int64(min(values, maxClaims)), ofValue*int64(min(values, maxValues)))
}
