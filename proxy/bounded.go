package proxy

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Bounded runs operations that can block for ever, such as a write to a pipe
// that nobody reads. It runs one at a time, and its callers wait no longer than
// Limit.
type Bounded struct {
	Limit time.Duration

	running sync.Mutex
	overdue atomic.Bool // an operation runs that was given up
}

var errOverdue = errors.New("the last write has not ended")

// Do runs an operation and returns its error. An operation that has not ended
// within the limit is given up: Do returns an error, and so does each further
// Do, at once, until the operation has ended. late is called then, with the
// operation's error, before another operation begins.
func (b *Bounded) Do(operation func() error, late func(error)) error {
	if b.overdue.Load() {
		return errOverdue
	}
	ended, givenUp := make(chan error), make(chan struct{})
	go b.run(operation, late, ended, givenUp)
	limit := time.NewTimer(b.Limit)
	defer limit.Stop()
	select {
	case err := <-ended:
		return err
	case <-limit.C:
		b.overdue.Store(true) // until run has seen givenUp
		close(givenUp)
		return errOverdue
	}
}

// run runs an operation for Do, unless Do gave it up while another one ran.
// Both agree on whether it ended in time, as ended has no buffer.
func (b *Bounded) run(operation func() error, late func(error), ended chan<- error, givenUp <-chan struct{}) {
	b.running.Lock()
	defer b.running.Unlock()
	select {
	case <-givenUp:
	default:
		err := operation()
		select {
		case ended <- err:
			return
		case <-givenUp:
			late(err)
		}
	}
	b.overdue.Store(false)
}
