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

// socket is safesock's socket to a client or to the Engine, with the bytes that
// were read ahead of their use. It has a buffer only while there are such bytes,
// so that an idle connection costs its sockets and goroutines alone.
type socket struct {
	*net.UnixConn
	raw     syscall.RawConn
	pending []byte // read and not yet used
	buffer  []byte // what pending points into; nil while nothing is pending

	wide bool // the system queues as many written bytes as it may

	read  func(fd uintptr) bool // readOnce; as a field it is allocated once
	count int                   // readOnce's result
	err   error                 // readOnce's error
}

const bufferSize = 32 << 10

// bulk is how many bytes at a time are worth a splice.
const bulk = 16 << 10

var buffers = sync.Pool{New: func() any { return (*[bufferSize]byte)(make([]byte, bufferSize)) }}

func newSocket(conn *net.UnixConn) (*socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{UnixConn: conn, raw: raw}
	s.read = s.readOnce
	return s, nil
}

// fill waits for bytes, and adds to pending what one read returns. io.EOF means
// that the other side sends no more.
func (s *socket) fill() error {
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

// readOnce reads without waiting, and reports whether there was something to
// read. The buffer goes back if not.
func (s *socket) readOnce(fd uintptr) bool {
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

// room makes space behind pending. A buffer that has become too small is left to
// the garbage collector, since a head may point into it.
func (s *socket) room() {
	switch {
	case s.buffer == nil:
		s.buffer = buffers.Get().(*[bufferSize]byte)[:]
		s.pending = s.buffer[:0]
	case len(s.pending) == cap(s.pending):
		s.buffer = make([]byte, max(bufferSize+1, 2*len(s.pending)))
		s.pending = s.buffer[:copy(s.buffer, s.pending)]
	}
}

// reserve makes space for n pending bytes at once.
func (s *socket) reserve(n int) {
	if n > cap(s.pending) {
		s.buffer = make([]byte, max(n, bufferSize+1))
		s.pending = s.buffer[:copy(s.buffer, s.pending)]
	}
}

// use drops the first n pending bytes.
func (s *socket) use(n int) {
	s.pending = s.pending[n:]
	if len(s.pending) > 0 || s.buffer == nil {
		return
	}
	if len(s.buffer) == bufferSize {
		buffers.Put((*[bufferSize]byte)(s.buffer))
	}
	s.pending, s.buffer = nil, nil
}

// replace replaces the first n pending bytes.
func (s *socket) replace(n int, b []byte) {
	b = append(b, s.pending[n:]...)
	s.use(len(s.pending))
	s.pending, s.buffer = b, b
}

// head waits for a whole head and returns its bytes, which stay pending.
func (s *socket) head() ([]byte, error) {
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
func (s *socket) await(n int) error {
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

// message waits for the whole body behind a pending head. It returns the length
// of both together, which stay pending, and the body without its framing. A body
// of more than limit bytes, framing included, is errTooLong.
func (s *socket) message(h head, how framing, limit int64) (n int, body []byte, err error) {
	n = len(h.raw)
	if how == byLength && h.length > limit {
		return 0, nil, errTooLong
	}
	switch how {
	case byLength:
		s.reserve(n + int(h.length))
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
func (s *socket) awaitGone() {
	_ = s.raw.Read(hungUp)
}

// waiting returns a context that ends when the other side has closed its socket,
// or this side has. Nothing may be read before stop has been called.
func (s *socket) waiting() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go s.cancelOnceGone(cancel, over)
	return ctx, func() {
		_ = s.SetReadDeadline(time.Unix(1, 0)) // fails only on a closed socket, which ends the wait as well
		<-over
		_ = s.SetReadDeadline(time.Time{})
	}
}

func (s *socket) cancelOnceGone(cancel context.CancelFunc, over chan<- struct{}) {
	s.awaitGone()
	cancel()
	close(over)
}

// hungUp reports whether the other side has closed its socket. The system then
// reports POLLHUP: both directions of the Unix socket are shut down.
func hungUp(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd)}}
	for {
		_, err := unix.Poll(fds, 0)
		if err != unix.EINTR {
			return err != nil || fds[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0
		}
	}
}

// writeError is an error of writing, which the same call's errors of reading have
// to be told from.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

func isWrite(err error) bool { return errors.As(err, new(writeError)) }

// send writes n pending bytes of src to dst.
func send(dst, src *socket, n int) error {
	_, err := dst.Write(src.pending[:n])
	src.use(n)
	if err != nil {
		return writeError{err}
	}
	return nil
}

// isClosed reports whether an error means no more than that a side hung up.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, unix.EPIPE) ||
		errors.Is(err, unix.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF)
}
