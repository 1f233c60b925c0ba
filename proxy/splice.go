package proxy

import "golang.org/x/sys/unix"

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

func (p pipe) close() {
	_ = unix.Close(p.r)
	_ = unix.Close(p.w)
}

// splice waits for bytes in src, of which none may be pending, and moves up to
// limit of them to dst without reading them. 0 bytes mean that src has ended.
func splice(dst, src *stream, limit int64) (int64, error) {
	var p pipe
	var n int64
	var err error
	// The pipe is taken once there is something to move, so that waiting
	// costs none.
	waitErr := src.raw.Read(func(fd uintptr) bool {
		if p, err = takePipe(); err != nil {
			return true
		}
		n, err = trySplice(int(fd), p.w, min(limit, maxSplice))
		if err == unix.EAGAIN {
			p.release()
			return false
		}
		return true
	})
	switch {
	case waitErr != nil:
		return 0, waitErr
	case p == pipe{}:
		return 0, err
	case err != nil || n == 0:
		p.release()
		return 0, err
	}
	for left := n; left > 0; {
		var moved int64
		waitErr := dst.raw.Write(func(fd uintptr) bool {
			moved, err = trySplice(p.r, int(fd), left)
			return err != unix.EAGAIN
		})
		if waitErr != nil {
			err = waitErr
		}
		if err != nil {
			p.close() // what is left in it is nobody's
			return n - left, writeError{err}
		}
		left -= moved
	}
	p.release()
	return n, nil
}

func trySplice(from, to int, n int64) (int64, error) {
	for {
		moved, err := unix.Splice(from, nil, to, nil, int(n), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if err != unix.EINTR {
			return moved, err
		}
	}
}
