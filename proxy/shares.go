package proxy

import (
	"fmt"
	"net/http"
	"sync"

	"golang.org/x/sys/unix"
)

// shares counts the descriptors that users hold through their connections. A user
// may hold three quarters of those that the others leave, so that there are some
// for the next user.
type shares struct {
	most int // descriptors of all users together

	mu   sync.Mutex
	held map[int]int // by uid
	all  int
}

// The descriptors of a connection: its socket to the client, and the one to the
// Engine that its first request will need.
const perConnection = 2

// take counts n more descriptors as held by a user. If these are too many, it
// counts none and returns a *refusal.
func (s *shares) take(uid, n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if held := s.held[uid]; held+n > (s.most-(s.all-held))/4*3 {
		return &refusal{http.StatusServiceUnavailable, fmt.Sprintf(
			"uid %d holds %d of the %d descriptors that safesock may open, which is as many as one user may hold; "+
				"close some connections, or raise the limit (LimitNOFILE= in safesock's unit, or ulimit -n)", uid, held, s.most)}
	}
	if s.held == nil {
		s.held = map[int]int{}
	}
	s.held[uid] += n
	s.all += n
	return nil
}

// give counts n descriptors as closed.
func (s *shares) give(uid, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all -= n
	if s.held[uid] -= n; s.held[uid] == 0 {
		delete(s.held, uid)
	}
}

// descriptorLimit returns how many descriptors this process may open. Go's
// runtime has raised the limit as far as it may be raised.
func descriptorLimit() (int, error) {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return int(min(uint64(limit.Cur), 1<<30)), err // the type of Cur differs from system to system
}
