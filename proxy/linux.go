//go:build linux && !portable

package proxy

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// spliceLength moves the next n bytes of src, of which none are pending.
func spliceLength(dst, src *socket, n int64) error {
	s := splicer{dst: dst, src: src}
	defer s.drop()
	for n > 0 {
		if err := s.move(&n); err != nil {
			return err
		}
	}
	return s.flush()
}

// spliceChunks moves chunks without reading their data. It stops before a small
// chunk, before a bad line, at the end of the body, and when bytes are pending.
func spliceChunks(dst, src *socket, c *chunks) error {
	s := splicer{dst: dst, src: src}
	defer s.drop()
	for len(src.pending) == 0 {
		next, n := *c, int64(0)
		if c.state != inData {
			var lines [32]byte
			k, err := s.peek(lines[:])
			if err != nil {
				return err
			}
			if k == 0 {
				return io.ErrUnexpectedEOF
			}
			for next.state != inData && !next.done() && n < int64(k) {
				if next.frame(lines[n]) != nil {
					return s.flush()
				}
				n++
			}
		}
		if next.state != inData || next.left < bulk {
			return s.flush()
		}
		n += next.left
		next.skip(next.left)
		for n > 0 {
			if err := s.move(&n); err != nil {
				return err
			}
		}
		*c = next
	}
	return s.flush()
}

// spliceAll moves the bytes of src, of which none are pending, while they come
// in bulk. It reports whether src has ended.
func spliceAll(dst, src *socket) (ended bool, err error) {
	s := splicer{dst: dst, src: src}
	for taken := int64(bulk); taken >= bulk; {
		if taken, err = s.take(maxSplice); err != nil {
			return false, err
		}
		if taken < bulk || s.inPipe >= highWater {
			if err := s.flush(); err != nil {
				return false, err
			}
		}
		if taken == 0 {
			return true, nil
		}
	}
	return false, nil
}

// maxSplice is the most that one splice asks for: a Unix socket queues less.
const maxSplice = 1 << 20

// pipe carries pages from a socket to another. It is empty between uses.
type pipe struct{ r, w int }

// pipes keeps a few pipes for the next use.
var pipes = make(chan pipe, 4)

// maxPipes is how many pipes are open at a time. A client that does not read holds
// one, and Linux lets a user have 64 of this size (pipe-user-pages-soft in pipe(7)).
const maxPipes = 64

var openPipes atomic.Int32

func takePipe() (pipe, error) {
	select {
	case p := <-pipes:
		return p, nil
	default:
	}
	if openPipes.Add(1) > maxPipes {
		openPipes.Add(-1)
		return pipe{}, unix.EMFILE
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		openPipes.Add(-1)
		return pipe{}, err
	}
	// A bigger pipe means fewer calls. If the system's limit forbids it, the pipe
	// keeps its usual 64 KiB.
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

// closePipes closes the pipes that are kept.
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
	openPipes.Add(-1)
}

// splicer moves bytes from src to dst without reading them. No bytes of src may
// be pending. It has a pipe only while the pipe holds bytes, so that a waiting
// splicer costs no descriptors. If no pipe can be made, as when no descriptors
// are free, or many pipes are in use, it copies the bytes.
type splicer struct {
	dst, src *socket
	pipe     pipe
	inPipe   int64 // bytes in the pipe
}

// take waits for bytes in src, and moves up to limit of them into the pipe, or
// copies them to dst. Before it waits, it moves what the pipe holds on to dst. It
// returns 0 if src has ended. Bytes that it read beyond the limit are pending.
func (s *splicer) take(limit int64) (n int64, err error) {
	pipeless := false
	err = s.await(func(fd int) error {
		if s.inPipe == 0 {
			if s.pipe, err = takePipe(); err != nil {
				pipeless = true
				return err
			}
		}
		n, err = trySplice(fd, s.pipe.w, min(limit, maxSplice))
		if s.inPipe == 0 && n == 0 {
			s.pipe.release()
		}
		return err
	})
	if pipeless {
		return s.copy(limit)
	}
	if s.inPipe += n; n == 0 { // the bytes before the end go on to dst
		err = cmp.Or(err, s.flush())
	}
	return n, err
}

// copy does the same as take through src's buffer.
func (s *splicer) copy(limit int64) (int64, error) {
	if err := s.src.fill(); err == io.EOF {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	n := int(min(limit, int64(len(s.src.pending))))
	return int64(n), send(s.dst, s.src, n)
}

// highWater is the number of bytes in the pipe from which on it is emptied to dst.
const highWater = 256 << 10

// move takes some of the next n bytes and subtracts their number from n. The
// caller has to flush what it leaves in the pipe.
func (s *splicer) move(n *int64) error {
	taken, err := s.take(*n)
	if err != nil {
		return err
	}
	if taken == 0 {
		return io.ErrUnexpectedEOF
	}
	if *n -= taken; s.inPipe >= highWater {
		return s.flush()
	}
	return nil
}

// peek waits like take, and copies the next bytes of src to b without taking them.
func (s *splicer) peek(b []byte) (n int, err error) {
	err = s.await(func(fd int) error {
		n, _, err = unix.Recvfrom(fd, b, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return err
	})
	if n == 0 {
		err = cmp.Or(err, s.flush())
	}
	return n, err
}

// await calls try whenever src may have become readable, until try returns
// something other than EAGAIN. try must not block.
func (s *splicer) await(try func(fd int) error) (err error) {
	for {
		waitErr := s.src.raw.Read(func(fd uintptr) bool {
			for {
				if err = try(int(fd)); err != unix.EINTR {
					return err != unix.EAGAIN || s.inPipe > 0
				}
			}
		})
		switch {
		case waitErr != nil:
			return waitErr
		case err != unix.EAGAIN:
			return err
		}
		// src is empty, or the pipe is full.
		if err := s.flush(); err != nil {
			return err
		}
	}
}

// flush moves what is in the pipe to dst.
func (s *splicer) flush() error {
	if s.inPipe == 0 {
		return nil
	}
	if !s.dst.wide {
		// The more bytes the socket queues, the less often the two sides wait for
		// each other. The system's limit applies (net.core.wmem_max).
		s.dst.wide = true
		_ = s.dst.SetWriteBuffer(maxSplice)
	}
	for s.inPipe > 0 {
		var n int64
		var err error
		waitErr := s.dst.raw.Write(func(fd uintptr) bool {
			n, err = trySplice(s.pipe.r, int(fd), s.inPipe)
			return err != unix.EAGAIN
		})
		if waitErr != nil {
			err = waitErr
		}
		if err != nil {
			s.drop()
			return writeError{err}
		}
		s.inPipe -= n
	}
	s.pipe.release()
	return nil
}

// drop discards the bytes in the pipe, after an error.
func (s *splicer) drop() {
	if s.inPipe > 0 {
		s.pipe.close()
		s.inPipe = 0
	}
}

// trySplice does not wait. As a raw system call it is unknown to Go's scheduler,
// which would otherwise wake its monitor thread to watch the call.
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

// giveBack returns unused memory to the system: what was needed to start, or for
// clients that have left. By itself, an idle program collects no garbage, and
// keeps the pages of its code that have ever run.
func giveBack() {
	debug.FreeOSMemory()
	closePipes()
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) != 6 || fields[5] != program || strings.Contains(fields[1], "w") {
			continue
		}
		var from, to uintptr
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &from, &to); err != nil {
			return
		}
		// The system reads these pages from the program's file when they are next used.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
	}
}
