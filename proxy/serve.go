package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/safesock/safesock/host"
)

// Serve accepts clients until the context is done. It then closes the listener
// and waits for open exchanges to end. Those that take longer than Drain are
// cut, and their number is logged. Goroutines that wait for something other than
// a socket, such as a disk that hangs, are left behind a second later.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var err error
	if s.guarded, _, err = (host.Machine{}).Resolve(s.Upstream); err != nil {
		return err
	}
	s.engine = engineClient(s.Upstream)
	defer s.engine.CloseIdleConnections()
	s.mu.Lock()
	s.sessions = map[session]struct{}{}
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

// drain ends idle sessions, waits for busy ones, and cuts those that take
// longer than Drain.
func (s *Server) drain() {
	s.draining.Store(true)
	s.each(session.drain)
	ended := make(chan struct{})
	go s.awaitClients(ended)
	select {
	case <-ended:
		return
	case <-time.After(s.Drain):
	}
	n := 0
	s.each(func(x session) {
		x.cut()
		n++
	})
	if n > 0 {
		s.log().Warn("exchanges that did not end were cut", slog.Int("count", n), slog.Duration("after", s.Drain))
	}
	select {
	case <-ended:
	case <-time.After(cutTime):
		s.log().Warn("calls were left waiting for the audit log or the host")
	}
}

// cutTime is how long an exchange may take to end once it was cut.
const cutTime = time.Second

func (s *Server) awaitClients(ended chan<- struct{}) {
	_ = s.clients.Wait() // its functions return no errors
	close(ended)
}
