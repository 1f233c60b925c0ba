package proxy

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// maxSplice is the most that one splice asks for: a Unix socket queues less.
const maxSplice = 1 << 20

// pipe carries pages from one socket to another. It is empty between uses.
type pipe struct{ r, w int }

// pipes keeps a few for the next use.
var pipes = make(chan pipe, 4)

func takePipe() (pipe, error) {
	select {
	case p := <-pipes:
		return p, nil
	default:
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return pipe{}, err
	}
	// A bigger pipe means fewer calls; where the limit forbids it, the usual
	// 64 KiB do.
	_, _ = unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, maxSplice)
	return pipe{fds[0], fds[1]}, nil
}

func (p pipe) release() {
	select {
	case pipes <- p:
	default:
		p.close()
	}
}

// closePipes closes those that are kept.
func closePipes() {
	for {
		select {
		case p := <-pipes:
			p.close()
		default:
			return
		}
	}
}

func (p pipe) close() {
	_ = unix.Close(p.r)
	_ = unix.Close(p.w)
}

// splicer moves bytes from src, of which none may be pending, to dst without
// reading them. It has a pipe only while there are bytes in it, so that
// waiting costs none. If none can be made, as without free descriptors, it
// copies the bytes.
type splicer struct {
	dst, src *stream
	pipe     pipe
	held     int64 // bytes in the pipe
}

// take waits for bytes in src and moves up to limit of them into the pipe, or
// to dst. What the pipe holds goes on to dst before anything is waited for. 0
// bytes mean that src has ended. What was read beyond the limit is pending.
func (s *splicer) take(limit int64) (n int64, err error) {
	pipeless := false
	err = s.await(func(fd int) error {
		if s.held == 0 {
			if s.pipe, err = takePipe(); err != nil {
				pipeless = true
				return err
			}
		}
		n, err = trySplice(fd, s.pipe.w, min(limit, maxSplice))
		if s.held == 0 && n == 0 {
			s.pipe.release()
		}
		return err
	})
	if pipeless {
		return s.copy(limit)
	}
	if s.held += n; n == 0 { // what came before the end goes on
		err = errors.Join(err, s.flush())
	}
	return n, err
}

// copy is take through a buffer.
func (s *splicer) copy(limit int64) (int64, error) {
	if err := s.src.fill(); err == io.EOF {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	n := int(min(limit, int64(len(s.src.pending))))
	return int64(n), send(s.dst, s.src, n)
}

// highWater is how much the pipe holds before it goes on to dst.
const highWater = 256 << 10

// move takes some of the n bytes that are to come and counts them off. What it
// leaves in the pipe the caller has to flush.
func (s *splicer) move(n *int64) error {
	taken, err := s.take(*n)
	if err != nil {
		return err
	}
	if taken == 0 {
		return io.ErrUnexpectedEOF
	}
	if *n -= taken; s.held >= highWater {
		return s.flush()
	}
	return nil
}

// peek waits like take, and copies what is next in src to b. It leaves it there.
func (s *splicer) peek(b []byte) (n int, err error) {
	err = s.await(func(fd int) error {
		n, _, err = unix.Recvfrom(fd, b, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return err
	})
	if n == 0 {
		err = errors.Join(err, s.flush())
	}
	return n, err
}

// await calls try, which must not wait, whenever src might have something for
// it, until it gives something other than EAGAIN.
func (s *splicer) await(try func(fd int) error) (err error) {
	for {
		waitErr := s.src.raw.Read(func(fd uintptr) bool {
			for {
				if err = try(int(fd)); err != unix.EINTR {
					return err != unix.EAGAIN || s.held > 0
				}
			}
		})
		switch {
		case waitErr != nil:
			return waitErr
		case err != unix.EAGAIN:
			return err
		}
		// Nothing more is there, or the pipe is full.
		if err := s.flush(); err != nil {
			return err
		}
	}
}

// flush moves what is in the pipe to dst.
func (s *splicer) flush() error {
	if s.held == 0 {
		return nil
	}
	if !s.dst.wide {
		// The more the socket queues, the less often both sides wait for each
		// other. The system's limit applies (net.core.wmem_max).
		s.dst.wide = true
		_ = s.dst.SetWriteBuffer(maxSplice)
	}
	for s.held > 0 {
		var n int64
		var err error
		waitErr := s.dst.raw.Write(func(fd uintptr) bool {
			n, err = trySplice(s.pipe.r, int(fd), s.held)
			return err != unix.EAGAIN
		})
		if waitErr != nil {
			err = waitErr
		}
		if err != nil {
			s.drop()
			return writeError{err}
		}
		s.held -= n
	}
	s.pipe.release()
	return nil
}

// drop forgets what is in the pipe: it is nobody's any more.
func (s *splicer) drop() {
	if s.held > 0 {
		s.pipe.close()
		s.held = 0
	}
}

// trySplice does not wait. The scheduler need not hear of such a call, and its
// monitor thread is not woken to watch over it.
func trySplice(from, to int, n int64) (int64, error) {
	for {
		moved, _, errno := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		switch errno {
		case 0:
			return int64(moved), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}
