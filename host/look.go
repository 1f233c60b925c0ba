package host

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Bounds on looks at paths. The kernel waits for a file system that does not
// answer, such as a network mount whose server is gone, and the waiting thread
// cannot be called back.
const (
	lookTime   = 2 * time.Second // of one look
	maxHanging = 16              // looks that take longer, after which none is begun
)

var (
	errNoAnswer = fmt.Errorf("no answer within %s", lookTime)
	errHanging  = errors.New("not looked at, as too many other paths give no answer")
)

// looks are the looks at paths that this process makes.
type looks struct {
	begun   chan struct{} // holds an element for each look that has not ended
	hanging atomic.Int32  // looks that were given up and have not ended
}

var pathLooks = looks{begun: make(chan struct{}, maxHanging)}

// look is one look at a path. Whoever swaps over first decides whether it hangs.
type look struct {
	over   atomic.Bool
	result chan place
}

// place is what a look finds.
type place struct {
	path   string
	exists bool
	err    error
}

// bounded returns what find returns, or an error if find does not return in time.
func (l *looks) bounded(find func() place) place {
	if l.hanging.Load() >= maxHanging {
		return place{err: errHanging}
	}
	timeout := time.NewTimer(lookTime)
	defer timeout.Stop()
	select {
	case l.begun <- struct{}{}:
	case <-timeout.C:
		return place{err: errNoAnswer}
	}
	one := &look{result: make(chan place, 1)}
	go l.run(one, find)
	select {
	case found := <-one.result:
		return found
	case <-timeout.C:
		if one.over.CompareAndSwap(false, true) {
			l.hanging.Add(1)
		}
		return place{err: errNoAnswer}
	}
}

// run makes a look, however long it takes.
func (l *looks) run(one *look, find func() place) {
	one.result <- find()
	if !one.over.CompareAndSwap(false, true) {
		l.hanging.Add(-1)
	}
	<-l.begun
}
