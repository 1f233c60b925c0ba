package proxy

import (
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/safesock/safesock/host"
	"github.com/safesock/safesock/policy"
)

// Server guards one Engine. SetPolicy has to be called before Serve.
type Server struct {
	Upstream  string        // path of the Engine's socket
	Listen    string        // path of safesock's own socket, as containers should mount it
	Audit     *Audit        // nil to keep no log
	Log       *slog.Logger  // nil for slog.Default
	BodyLimit int64         // bytes of an intercepted body; 0 means 16 MiB
	Drain     time.Duration // how long open exchanges may take once the context is done

	policy     atomic.Pointer[policy.Policy]
	guarded    string // Upstream without symbolic links
	sight      atomic.Pointer[host.Sight]
	engine     *http.Client // for safesock's own questions
	builds     builds
	hostPorts  hostPorts
	clients    errgroup.Group // the goroutines that move what clients send
	draining   atomic.Bool
	shares     shares
	memory     *memory
	slow       time.Duration // memory.slow; 0 means 10 seconds
	turnedAway atomic.Int32  // clients that are told why they are not served
	calm       *time.Timer   // fires once no session has begun or ended for calmTime

	mu       sync.Mutex
	sessions map[session]struct{}
}

// session is an open connection of a client.
type session interface {
	// drain ends an idle session. A busy one ends after what it has begun.
	drain()
	// cut ends the session at once.
	cut()
}

// calmTime is how long the sessions stay the same before unused memory goes
// back to the system.
const calmTime = time.Second

// SetPolicy puts a policy in force for every call that begins from now on.
func (s *Server) SetPolicy(p *policy.Policy) { s.policy.Store(p) }

func (s *Server) add(x session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[x] = struct{}{}
	s.calm.Reset(calmTime)
}

func (s *Server) remove(x session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, x)
	s.calm.Reset(calmTime)
}

// replace has another session stand for the same client.
func (s *Server) replace(before, after session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, before)
	s.sessions[after] = struct{}{}
}

func (s *Server) each(do func(session)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for x := range s.sessions {
		do(x)
	}
}

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.Default()
	}
	return s.Log
}
