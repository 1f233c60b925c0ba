package proxy

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// writeError is the error of the socket that was written to.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

func isWrite(err error) bool { return errors.As(err, new(writeError)) }

// bulk is how many bytes at a time are worth a splice.
const bulk = 16 << 10

// send writes n pending bytes of src to dst.
func send(dst, src *stream, n int) error {
	_, err := dst.Write(src.pending[:n])
	src.use(n)
	if err != nil {
		return writeError{err}
	}
	return nil
}

// relay moves a message whose head begins src's pending bytes. The head goes
// out with what has come of the body, in one write. It gives
// io.ErrUnexpectedEOF if src ends before the body does.
func relay(dst, src *stream, h head, how framing, body chunks) error {
	n := len(h.raw)
	rest, left := src.pending[n:], h.length
	switch how {
	case byLength:
		n += int(min(left, int64(len(rest))))
		left -= int64(n - len(h.raw))
	case byChunks:
		k, err := body.feed(rest, nil)
		if err != nil {
			return err
		}
		n += k
	case byClose:
		n += len(rest)
	}
	if err := send(dst, src, n); err != nil {
		return err
	}
	switch how {
	case byLength:
		return moveLength(dst, src, left)
	case byChunks:
		return moveChunks(dst, src, &body)
	case byClose:
		return moveAll(dst, src)
	}
	return nil
}

func moveLength(dst, src *stream, n int64) error {
	for n > 0 {
		if len(src.pending) == 0 && n >= bulk {
			moved, err := splice(dst, src, n)
			if err != nil {
				return err
			}
			if moved == 0 {
				return io.ErrUnexpectedEOF
			}
			n -= moved
			continue
		}
		if err := src.await(1); err != nil {
			return err
		}
		k := int(min(n, int64(len(src.pending))))
		if err := send(dst, src, k); err != nil {
			return err
		}
		n -= int64(k)
	}
	return nil
}

// moveChunks moves a chunked body as it comes, framing and trailer included.
func moveChunks(dst, src *stream, c *chunks) error {
	for !c.done() {
		if len(src.pending) == 0 {
			if err := src.await(1); err != nil {
				return err
			}
		}
		n, err := c.feed(src.pending, nil)
		if err != nil {
			return err
		}
		bulky := n >= bulk
		if err := send(dst, src, n); err != nil {
			return err
		}
		for bulky && len(src.pending) == 0 {
			if bulky, err = spliceChunk(dst, src, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// spliceChunk moves the rest of a chunk, or the next one with its size, past
// this process. It moves nothing, and says so, if that is not worth it.
func spliceChunk(dst, src *stream, c *chunks) (bool, error) {
	next, framed := *c, int64(0)
	if c.state != inData {
		var line [32]byte
		n, err := src.peek(line[:])
		if err != nil {
			return false, err
		}
		for next.state != inData && !next.done() && framed < int64(n) {
			if err := next.frame(line[framed]); err != nil {
				return false, err
			}
			framed++
		}
	}
	if next.state != inData || next.left < bulk {
		return false, nil
	}
	if err := moveLength(dst, src, framed+next.left); err != nil {
		return false, err
	}
	next.skip(next.left)
	*c = next
	return true, nil
}

// moveAll moves whatever comes until src ends.
func moveAll(dst, src *stream) error {
	for {
		if len(src.pending) == 0 {
			if err := src.fill(); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
		}
		moved := int64(len(src.pending))
		if err := send(dst, src, len(src.pending)); err != nil {
			return err
		}
		for moved >= bulk {
			var err error
			if moved, err = splice(dst, src, maxSplice); err != nil {
				return err
			}
			if moved == 0 {
				return nil
			}
		}
	}
}

// peek waits for bytes and copies them to b, leaving them in the socket.
func (s *stream) peek(b []byte) (n int, err error) {
	waitErr := s.raw.Read(func(fd uintptr) bool {
		for {
			n, _, err = unix.Recvfrom(int(fd), b, unix.MSG_PEEK|unix.MSG_DONTWAIT)
			if err != unix.EINTR {
				return err != unix.EAGAIN
			}
		}
	})
	switch {
	case waitErr != nil:
		return 0, waitErr
	case err == nil && n == 0:
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}
