package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stream is one end of a connection: its socket, and the bytes that were read
// ahead of their use. While none are, it holds no buffer: an idle connection
// costs its sockets and its goroutines.
type stream struct {
	*net.UnixConn
	raw     syscall.RawConn
	pending []byte // read and not yet used
	buffer  []byte // what pending points into; nil while there is nothing

	wide bool // the socket queues as much as it may

	read  func(fd uintptr) bool // readOnce, made once
	count int                   // what readOnce read
	err   error
}

const bufferSize = 32 << 10

var buffers = sync.Pool{New: func() any { return (*[bufferSize]byte)(make([]byte, bufferSize)) }}

func newStream(conn *net.UnixConn) (*stream, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &stream{UnixConn: conn, raw: raw}
	s.read = s.readOnce
	return s, nil
}

// fill waits for bytes and adds them to pending, by one read. io.EOF means
// that the other side sends no more.
func (s *stream) fill() error {
	if err := s.raw.Read(s.read); err != nil {
		return err
	}
	switch {
	case s.err != nil:
		return s.err
	case s.count == 0:
		s.use(0)
		return io.EOF
	}
	s.pending = s.pending[:len(s.pending)+s.count]
	return nil
}

// readOnce takes a buffer only once the socket has something for it.
func (s *stream) readOnce(fd uintptr) bool {
	s.room()
	for {
		s.count, s.err = unix.Read(int(fd), s.pending[len(s.pending):cap(s.pending)])
		if s.err != unix.EINTR {
			break
		}
	}
	if s.err == unix.EAGAIN {
		s.use(0)
		return false
	}
	return true
}

// room sees to it that pending has space behind it. A buffer that has become
// too small is left to the garbage collector, since a head may point into it.
func (s *stream) room() {
	switch {
	case s.buffer == nil:
		s.buffer = buffers.Get().(*[bufferSize]byte)[:]
		s.pending = s.buffer[:0]
	case len(s.pending) == cap(s.pending):
		s.buffer = make([]byte, max(bufferSize+1, 2*len(s.pending)))
		s.pending = s.buffer[:copy(s.buffer, s.pending)]
	}
}

// use drops the first n pending bytes.
func (s *stream) use(n int) {
	s.pending = s.pending[n:]
	if len(s.pending) > 0 || s.buffer == nil {
		return
	}
	if len(s.buffer) == bufferSize {
		buffers.Put((*[bufferSize]byte)(s.buffer))
	}
	s.pending, s.buffer = nil, nil
}

// replace puts other bytes in the place of the first n pending ones.
func (s *stream) replace(n int, b []byte) {
	b = append(b, s.pending[n:]...)
	s.use(len(s.pending))
	s.pending, s.buffer = b, b
}

// head waits for a whole head and gives its bytes, which stay pending.
func (s *stream) head() ([]byte, error) {
	var scan headScan
	for {
		n, err := scan.end(s.pending)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			return s.pending[:n], nil
		}
		if err := s.fill(); err != nil {
			if err == io.EOF && len(s.pending) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// await waits until n bytes are pending.
func (s *stream) await(n int) error {
	for len(s.pending) < n {
		if err := s.fill(); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// message waits for the whole body behind a pending head, and gives the length
// of both as they are pending, and the body without its framing.
func (s *stream) message(h head, how framing, limit int64) (n int, body []byte, err error) {
	n = len(h.raw)
	if how == byLength && h.length > limit {
		return 0, nil, errTooLong
	}
	switch how {
	case byLength:
		if err := s.await(n + int(h.length)); err != nil {
			return 0, nil, err
		}
		return n + int(h.length), s.pending[n : n+int(h.length)], nil
	case byChunks:
		for c := (chunks{extensions: h.status != 0}); !c.done(); {
			if err := s.await(n + 1); err != nil {
				return 0, nil, err
			}
			k, err := c.feed(s.pending[n:], func(data []byte) { body = append(body, data...) })
			if err != nil {
				return 0, nil, err
			}
			if n += k; int64(n) > limit+int64(len(h.raw)) {
				return 0, nil, errTooLong
			}
		}
		return n, body, nil
	}
	return n, nil, nil
}

var errTooLong = errors.New("the body is too long")

// awaitGone waits until the other side has closed its socket, or this side has.
func (s *stream) awaitGone() {
	_ = s.raw.Read(hungUp)
}

// waiting gives a context that ends when the other side has closed its socket,
// or this side has. Nothing can be read until it is stopped.
func (s *stream) waiting() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go s.cancelOnceGone(cancel, over)
	return ctx, func() {
		_ = s.SetReadDeadline(time.Unix(1, 0)) // fails only on a socket that is closed, which ends it, too
		<-over
		_ = s.SetReadDeadline(time.Time{})
	}
}

func (s *stream) cancelOnceGone(cancel context.CancelFunc, over chan<- struct{}) {
	s.awaitGone()
	cancel()
	close(over)
}

// hungUp asks for POLLHUP: both directions of a Unix socket are shut down.
func hungUp(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd)}}
	for {
		_, err := unix.Poll(fds, 0)
		if err != unix.EINTR {
			return err != nil || fds[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0
		}
	}
}

// writeError is an error of the socket that was written to.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

func isWrite(err error) bool { return errors.As(err, new(writeError)) }

// send writes n pending bytes of src to dst.
func send(dst, src *stream, n int) error {
	_, err := dst.Write(src.pending[:n])
	src.use(n)
	if err != nil {
		return writeError{err}
	}
	return nil
}

// isClosed reports whether an error only says that one side hung up.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, unix.EPIPE) ||
		errors.Is(err, unix.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF)
}
