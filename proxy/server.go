package proxy

import (
	"context"
	"io/fs"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/safesock/safesock/policy"
)

// Server guards one Engine.
type Server struct {
	Upstream  string        // path of the Engine's socket
	Listen    string        // path of safesock's own socket, as containers should mount it
	Audit     *Audit        // nil to keep none
	Log       *slog.Logger  // nil for slog.Default
	BodyLimit int64         // bytes of an intercepted body; 0 means 16 MiB
	Drain     time.Duration // how long open exchanges may take once the context is done; 0 means 10 s

	policy atomic.Pointer[policy.Policy]
}

// SetPolicy puts a policy in force for every call that begins from now on.
func (s *Server) SetPolicy(p *policy.Policy) { s.policy.Store(p) }

// Serve accepts clients until the context is done, lets open exchanges end,
// and closes the listener. Tunnels that outlast Drain are cut, and Serve says
// how many.
func (s *Server) Serve(ctx context.Context, l net.Listener) error { return nil }

// Listen makes a Unix socket at path, in a folder that it makes if missing.
// A socket that another process answers on is refused; a stale one is
// replaced. The mode is the socket's; group "" leaves its group alone.
func Listen(path string, mode fs.FileMode, group string) (net.Listener, error) { return nil, nil }

// Audit is the log of intercepted calls: one JSON object a line.
type Audit struct{}

// OpenAudit opens path for appending, 0600, or standard output for "-".
func OpenAudit(path string) (*Audit, error) { return nil, nil }

// Reopen opens the path again, after a log rotation moved the file away. If
// that fails the old file stays in use.
func (a *Audit) Reopen() error { return nil }
