package proxy

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

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
	if s.shares.most, err = descriptorLimit(); err != nil {
		return err
	}
	s.memory = newMemory(cmp.Or(s.slow, 10*time.Second))
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

// accept takes clients until the listener is closed. While the system has no
// descriptor or memory for a client, the client waits.
func (s *Server) accept(l net.Listener, stopped chan struct{}) error {
	defer close(stopped)
	short, full := false, false // so that each is logged once
	for {
		conn, err := l.Accept()
		if isShortage(err) {
			if !short {
				s.log().Error("clients wait to be accepted", slog.Any("error", err))
			}
			short = true
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		short = false
		c, err := newConnection(s, conn.(*net.UnixConn))
		if err != nil {
			s.log().Error("a client was turned away", slog.Any("error", err))
			conn.Close()
			continue
		}
		if err := s.shares.take(c.peer.UID, perConnection); err != nil {
			if !full {
				s.log().Warn("clients are turned away", slog.Any("error", err))
			}
			full = true
			s.turnAway(c, err)
			continue
		}
		full = false
		s.add(c)
		s.clients.Go(func() error {
			c.serve()
			return nil
		})
	}
}

// isShortage reports whether accept(2) failed for want of descriptors or memory,
// which may be there again a moment later.
func isShortage(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)
}

// maxTurnedAway is how many clients that are turned away safesock waits for at a
// time: most clients read an answer only once they have sent a request.
const maxTurnedAway = 8

// turnAway answers a client's first request with the reason why it is not served.
// If many clients are turned away, it does not wait for the request.
func (s *Server) turnAway(c *connection, why error) {
	if s.turnedAway.Add(1) > maxTurnedAway {
		s.turnedAway.Add(-1)
		status, reason := statusOf(why)
		_, _ = c.client.Write(errorAnswer(status, reason, false, true)) // a new socket has room for it
		c.client.Close()
		return
	}
	s.add(c)
	s.clients.Go(func() error {
		defer s.turnedAway.Add(-1)
		defer s.remove(c)
		defer c.client.Close()
		_ = c.client.SetReadDeadline(time.Now().Add(lingerTime)) // fails only on a closed socket
		if c.awaitRequest() == nil && c.begin() == nil {
			_ = c.refuse(why, bytes.HasPrefix(c.client.pending, []byte(http.MethodHead)))
		}
		return nil
	})
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
