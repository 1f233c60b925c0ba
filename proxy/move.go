package proxy

import "io"

// relay moves a message whose head begins src's pending bytes. The head goes
// out with what has come of the body, in one write. It gives
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

// moveChunks moves a chunked body as it comes, framing and trailer included.
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

// moveAll moves whatever comes until src ends.
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
