package proxy

import (
	"errors"
	"io"
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
	for n > 0 && (len(src.pending) > 0 || n < bulk) {
		if err := src.await(1); err != nil {
			return err
		}
		k := int(min(n, int64(len(src.pending))))
		if err := send(dst, src, k); err != nil {
			return err
		}
		n -= int64(k)
	}
	if n == 0 {
		return nil
	}
	s := splicer{dst: dst, src: src}
	defer s.drop()
	for n > 0 {
		if err := s.move(&n); err != nil {
			return err
		}
	}
	return s.flush()
}

// moveChunks moves a chunked body as it comes, framing and trailer included.
func moveChunks(dst, src *stream, c *chunks) error {
	for !c.done() {
		if err := src.await(1); err != nil {
			return err
		}
		n, err := c.feed(src.pending, nil)
		if err != nil {
			return err
		}
		if err := send(dst, src, n); err != nil {
			return err
		}
		if n >= bulk && len(src.pending) == 0 && !c.done() {
			if err := spliceChunks(dst, src, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// spliceChunks moves chunks past this process, of which it only reads the
// sizes, until there comes a small one, or bytes that have been read.
func spliceChunks(dst, src *stream, c *chunks) error {
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
				if err := next.frame(lines[n]); err != nil {
					return err
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
		n := len(src.pending)
		if err := send(dst, src, n); err != nil {
			return err
		}
		if n < bulk {
			continue
		}
		s := splicer{dst: dst, src: src}
		for taken := int64(bulk); taken >= bulk; {
			var err error
			if taken, err = s.take(maxSplice); err != nil {
				return err
			}
			if taken < bulk || s.held >= highWater {
				if err := s.flush(); err != nil {
					return err
				}
			}
			if taken == 0 {
				return nil
			}
		}
	}
}
