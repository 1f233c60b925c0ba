package proxy

import (
	"cmp"
	"io"
)

// relay moves a message from src to dst. src's pending bytes begin with its head.
// One write takes the head and what has come of the body. relay returns
// io.ErrUnexpectedEOF if src ends before the body does. An answer arrives up to
// its first bad byte. Of a request, no bytes are sent that come with a bad one.
func relay(dst, src *socket, h head, how framing, body chunks) error {
	n := len(h.raw)
	rest, left := src.pending[n:], h.length
	var bad error
	switch how {
	case byLength:
		n += int(min(left, int64(len(rest))))
		left -= int64(n - len(h.raw))
	case byChunks:
		var k int
		if k, bad = body.feed(rest, nil); bad != nil && h.status == 0 {
			return bad
		}
		n += k
	case byClose:
		n += len(rest)
	}
	if err := send(dst, src, n); err != nil || bad != nil {
		return cmp.Or(bad, err)
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
		n, bad := c.feed(src.pending, nil)
		if bad != nil && !c.extensions { // a request
			return bad
		}
		if err := send(dst, src, n); err != nil || bad != nil {
			return cmp.Or(bad, err)
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
