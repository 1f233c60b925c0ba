package proxy

// chunks reads the framing of a chunked body (RFC 9112, 7.1) while the body
// comes. Lines have to end in CRLF. The zero value stands before the first chunk.
type chunks struct {
	extensions bool // chunk extensions are allowed: an answer may have them

	state  chunkState
	left   int64 // bytes of this chunk's data that are still to come
	digits int   // how many the current chunk's size has so far
	line   int   // length of the trailer's current line so far
	total  int   // length of the trailer and of all extensions so far
}

type chunkState uint8

const (
	inSize chunkState = iota
	inExtension
	afterSize // the LF
	inData
	afterData // the CR
	beforeSize
	inTrailer
	inTrailerLF
	chunksDone
)

// maxTrailer bounds the trailer and all extensions of a body together, in bytes.
const maxTrailer = 64 << 10

// feed reads the next bytes. It returns how many of them belong to the body: all
// of b, unless the body ends in it. data is called with each piece of the body's
// data, and may be nil.
func (c *chunks) feed(b []byte, data func([]byte)) (n int, err error) {
	for n < len(b) && c.state != chunksDone {
		if c.state == inData {
			piece := b[n:]
			if int64(len(piece)) > c.left {
				piece = piece[:c.left]
			}
			if data != nil {
				data(piece)
			}
			c.skip(int64(len(piece)))
			n += len(piece)
			continue
		}
		if err := c.frame(b[n]); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// skip counts n bytes of data as read.
func (c *chunks) skip(n int64) {
	if c.left -= n; c.left == 0 {
		c.state = afterData
	}
}

func (c *chunks) done() bool { return c.state == chunksDone }

// frame reads one byte outside the data.
func (c *chunks) frame(b byte) error {
	switch c.state {
	case inSize:
		if v, ok := hexValue(b); ok {
			if c.digits++; c.digits > 15 {
				return bad("a chunk's size has more than 15 digits")
			}
			c.left = c.left<<4 | v
			return nil
		}
		switch {
		case c.digits == 0:
			return bad("a chunk has no size")
		case b == '\r':
			c.state = afterSize
		case c.extensions && (b == ';' || b == ' ' || b == '\t'):
			c.state = inExtension
		default:
			return bad("a chunk's size is followed by %q", b)
		}
	case inExtension:
		if c.total++; c.total > maxTrailer || b == '\n' {
			return bad("a chunk extension does not end")
		}
		if b == '\r' {
			c.state = afterSize
		}
	case afterSize:
		if b != '\n' {
			return bad("a chunk's size does not end in CRLF")
		}
		c.digits = 0
		if c.state = inData; c.left == 0 {
			c.state = inTrailer
		}
	case afterData:
		if b != '\r' {
			return bad("a chunk is longer than its size")
		}
		c.state = beforeSize
	case beforeSize:
		if b != '\n' {
			return bad("a chunk is longer than its size")
		}
		c.state = inSize
	case inTrailer:
		if c.total++; c.total > maxTrailer || b == '\n' {
			return bad("a trailer line does not end in CRLF")
		}
		if b == '\r' {
			c.state = inTrailerLF
			return nil
		}
		c.line++
	case inTrailerLF:
		if b != '\n' {
			return bad("a trailer line does not end in CRLF")
		}
		if c.state = inTrailer; c.line == 0 {
			c.state = chunksDone
		}
		c.line = 0
	}
	return nil
}

func hexValue(b byte) (int64, bool) {
	switch {
	case '0' <= b && b <= '9':
		return int64(b - '0'), true
	case 'a' <= b && b <= 'f':
		return int64(b - 'a' + 10), true
	case 'A' <= b && b <= 'F':
		return int64(b - 'A' + 10), true
	}
	return 0, false
}
