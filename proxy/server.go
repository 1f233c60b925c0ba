package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/safesock/safesock/host"
	"github.com/safesock/safesock/policy"
)

// calmTime is how long no client may have come or gone before memory is given
// back.
const calmTime = time.Second

// Server guards one Engine. Its policy has to be set before it serves.
type Server struct {
	Upstream  string        // path of the Engine's socket
	Listen    string        // path of safesock's own socket, as containers should mount it
	Audit     *Audit        // nil to keep none
	Log       *slog.Logger  // nil for slog.Default
	BodyLimit int64         // bytes of an intercepted body; 0 means 16 MiB
	Drain     time.Duration // how long open exchanges may take once the context is done

	policy   atomic.Pointer[policy.Policy]
	guarded  string // Upstream without symbolic links
	sight    atomic.Pointer[host.Sight]
	engine   *http.Client
	clients  errgroup.Group
	draining atomic.Bool
	calm     *time.Timer // fires when no client has come or gone for a while

	mu          sync.Mutex
	connections map[*connection]struct{}
}

// SetPolicy puts a policy in force for every call that begins from now on.
func (s *Server) SetPolicy(p *policy.Policy) { s.policy.Store(p) }

// Serve accepts clients until the context is done, lets open exchanges end,
// and closes the listener. What outlasts Drain is cut, and logged.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var err error
	if s.guarded, _, err = (host.Machine{}).Resolve(s.Upstream); err != nil {
		return err
	}
	s.engine = engineClient(s.Upstream)
	defer s.engine.CloseIdleConnections()
	s.mu.Lock()
	s.connections = map[*connection]struct{}{}
	s.mu.Unlock()
	s.calm = time.AfterFunc(calmTime, giveBack)
	defer s.calm.Stop()
	var listening errgroup.Group
	stopped := make(chan struct{})
	listening.Go(func() error { return s.accept(l, stopped) })
	listening.Go(func() error {
		select {
		case <-ctx.Done():
			return l.Close()
		case <-stopped:
			return nil
		}
	})
	err = listening.Wait()
	s.drain()
	if ctx.Err() != nil && errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// accept takes clients until the listener is closed.
func (s *Server) accept(l net.Listener, stopped chan struct{}) error {
	defer close(stopped)
	for {
		conn, err := l.Accept()
		if err != nil {
			var temporary interface{ Temporary() bool }
			if errors.As(err, &temporary) && temporary.Temporary() {
				s.log().Error("a client could not be accepted", slog.Any("error", err))
				time.Sleep(50 * time.Millisecond)
				continue
			}
			return err
		}
		c, err := newConnection(s, conn.(*net.UnixConn))
		if err != nil {
			s.log().Error("a client was turned away", slog.Any("error", err))
			conn.Close()
			continue
		}
		s.add(c)
		s.clients.Go(func() error {
			c.serve()
			return nil
		})
	}
}

// drain ends idle connections, waits for busy ones, and cuts those that take
// too long.
func (s *Server) drain() {
	s.draining.Store(true)
	s.each(func(c *connection) {
		if c.phase.CompareAndSwap(idle, closing) {
			c.client.Close()
		} else if streams := c.streams.Load(); streams != nil {
			streams.goAway()
		}
	})
	told := make(chan struct{})
	cut := time.AfterFunc(s.Drain, func() {
		defer close(told)
		n := 0
		s.each(func(c *connection) {
			c.client.Close()
			n++
		})
		if n > 0 {
			s.log().Warn("exchanges that did not end were cut", slog.Int("count", n), slog.Duration("after", s.Drain))
		}
	})
	_ = s.clients.Wait() // serve gives no errors
	if !cut.Stop() {
		<-told
	}
}

func (s *Server) add(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connections[c] = struct{}{}
	s.calm.Reset(calmTime)
}

func (s *Server) remove(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, c)
	s.calm.Reset(calmTime)
}

func (s *Server) each(do func(*connection)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.connections {
		do(c)
	}
}

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.Default()
	}
	return s.Log
}

func (s *Server) bodyLimit() int64 {
	if s.BodyLimit == 0 {
		return 16 << 20
	}
	return s.BodyLimit
}
