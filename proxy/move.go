package proxy

import "io"

// relay moves a message from src to dst. src's pending bytes begin with its head.
// One write takes the head and what has come of the body. relay returns
// io.ErrUnexpectedEOF if src ends before the body does.
func relay(dst, src *socket, h head, how framing, body chunks) error {
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

// moveLength moves the next n bytes.
func moveLength(dst, src *socket, n int64) error {
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
	return spliceLength(dst, src, n)
}

// moveChunks moves a chunked body with its framing and its trailer.
func moveChunks(dst, src *socket, c *chunks) error {
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

// moveAll moves all bytes until src ends.
func moveAll(dst, src *socket) error {
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
		if ended, err := spliceAll(dst, src); ended || err != nil {
			return err
		}
	}
}
