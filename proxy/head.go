package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"strconv"
)

// maxHead is what the Engine (net/http) takes; dockerode repeats a whole
// create body in the query.
const maxHead = 1 << 20

// head is the start line and the fields of an HTTP/1 message. Its slices point
// into the bytes that were read: a message is moved as these bytes, and never
// written from the fields.
type head struct {
	raw []byte // as it came, with the empty line that ends it

	method, target []byte // of a request
	status         int    // of an answer

	version     byte  // '0' or '1': the message is HTTP/1.version
	length      int64 // Content-Length, or -1 if there is none
	chunked     bool
	expects     bool // Expect: 100-continue
	last        bool // the client wants the connection closed after the answer
	contentType []byte
}

// headScan looks for the end of a head while the head comes, and reads each
// byte once. The zero value stands before the first byte.
type headScan struct {
	line int // where the current line begins
	seen int // how many bytes were scanned
}

// end returns the length of the head that b begins with, or 0 if more bytes are
// needed. From call to call, b may only grow. Lines are those of net/http
// (textproto): each ends in an LF, and a CR before it does not count. The first
// empty line ends the head.
func (s *headScan) end(b []byte) (int, error) {
	for {
		n := bytes.IndexByte(b[s.seen:], '\n')
		if n < 0 && len(b) > maxHead {
			return 0, &refusal{http.StatusRequestHeaderFieldsTooLarge, "the head is longer than 1 MiB"}
		}
		if n < 0 {
			s.seen = len(b)
			return 0, nil
		}
		lf := s.seen + n
		if lf == s.line || lf == s.line+1 && b[s.line] == '\r' {
			if s.line == 0 {
				return 0, bad("the head begins with an empty line")
			}
			return lf + 1, nil
		}
		s.line, s.seen = lf+1, lf+1
	}
}

// cutLine cuts off the first line of a head that headScan has seen whole.
func cutLine(head []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(head, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), rest
}

// parseRequest reads a request's head. If it accepts the head, net/http reads
// the same method, target and framing. The Engine refuses a request without a
// Host, and one with two; the Host means nothing to the call.
func parseRequest(raw []byte) (head, error) {
	h := head{raw: raw, length: -1}
	line, rest := cutLine(raw)
	method, line, ok1 := bytes.Cut(line, space)
	target, proto, ok2 := bytes.Cut(line, space)
	if !ok1 || !ok2 || !isToken(method) || len(target) == 0 || !isVisible(target) {
		return head{}, bad("the request line is not METHOD TARGET VERSION")
	}
	h.method, h.target = method, target
	if string(method) == http.MethodConnect {
		return head{}, bad("the Engine has no CONNECT")
	}
	switch string(proto) {
	case "HTTP/1.1":
		h.version = '1'
	case "HTTP/1.0":
		h.version = '0'
	default:
		return head{}, &refusal{http.StatusHTTPVersionNotSupported, "only HTTP/1.0 and HTTP/1.1 are understood"}
	}
	if err := h.readFields(rest); err != nil {
		return head{}, err
	}
	h.last = h.last || h.version == '0'
	if h.chunked && h.version == '0' {
		return head{}, bad("Transfer-Encoding in an HTTP/1.0 request")
	}
	return h, nil
}

// parseAnswer reads the head of an answer of the Engine.
func parseAnswer(raw []byte) (head, error) {
	h := head{raw: raw, length: -1}
	line, rest := cutLine(raw)
	if len(line) < len("HTTP/1.1 200") || string(line[:7]) != "HTTP/1." || line[8] != ' ' || line[7] != '0' && line[7] != '1' {
		return head{}, errors.New("the status line is not HTTP/1")
	}
	h.version = line[7]
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil || status < 100 || len(line) > 12 && line[12] != ' ' {
		return head{}, errors.New("the status line has no status")
	}
	h.status = status
	return h, h.readFields(rest)
}

// readFields reads the fields that matter here, up to the empty line.
func (h *head) readFields(lines []byte) (err error) {
	codings := 0
	for line, lines := cutLine(lines); len(line) > 0; line, lines = cutLine(lines) {
		name, value, ok := bytes.Cut(line, colon)
		if !ok || !isToken(name) {
			return bad("%q is not a header field", shorten(line))
		}
		value = bytes.Trim(value, " \t")
		if !isFieldValue(value) {
			return bad("the value of %s has a control character", name)
		}
		// By its length alone, a common field is known not to be one of these.
		switch len(name) {
		case len("Expect"):
			if equalFold(name, "Expect") {
				h.expects = equalFold(value, "100-continue")
			}
		case len("Connection"):
			if equalFold(name, "Connection") {
				h.last = h.last || hasToken(value, "close")
			}
		case len("Content-Type"):
			if equalFold(name, "Content-Type") {
				h.contentType = value
			}
		case len("Content-Length"):
			if !equalFold(name, "Content-Length") {
				break
			}
			if h.length >= 0 {
				return bad("two Content-Length fields")
			}
			if h.length, err = parseLength(value); err != nil {
				return err
			}
		case len("Transfer-Encoding"):
			if !equalFold(name, "Transfer-Encoding") {
				break
			}
			if codings++; codings > 1 || !equalFold(value, "chunked") {
				return bad("a Transfer-Encoding other than one chunked")
			}
			h.chunked = true
		}
	}
	if h.chunked && h.length >= 0 {
		return bad("both Content-Length and Transfer-Encoding")
	}
	return nil
}

// fields returns all fields as the Engine reads them: with net/http, of which
// this is the reader of fields.
func (h *head) fields() (http.Header, error) {
	_, lines := cutLine(h.raw)
	fields, err := textproto.NewReader(bufio.NewReaderSize(bytes.NewReader(lines), len(lines))).ReadMIMEHeader()
	return http.Header(fields), err
}

// hasToken reports whether a comma-separated list has a token (RFC 9110, 5.6.1).
func hasToken(list []byte, token string) bool {
	for item := range bytes.SplitSeq(list, []byte(",")) {
		if equalFold(bytes.Trim(item, " \t"), token) {
			return true
		}
	}
	return false
}

func parseLength(value []byte) (int64, error) {
	for _, c := range value {
		if c < '0' || c > '9' {
			return -1, bad("Content-Length %q is not a number", shorten(value))
		}
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return -1, bad("Content-Length %q is not a number", shorten(value))
	}
	return n, nil
}

// framing is how the end of a message's body is found.
type framing int

const (
	noBody framing = iota
	byLength
	byChunks
	byClose // of an answer only
)

func (h *head) requestFraming() framing {
	switch {
	case h.chunked:
		return byChunks
	case h.length > 0:
		return byLength
	}
	return noBody
}

func (h *head) isHEAD() bool { return string(h.method) == http.MethodHead }

// answerFraming follows RFC 9112, 6.3.
func (h *head) answerFraming(toHEAD bool) framing {
	switch {
	case toHEAD, h.status < 200, h.status == http.StatusNoContent, h.status == http.StatusNotModified:
		return noBody
	case h.chunked:
		return byChunks
	case h.length > 0:
		return byLength
	case h.length == 0:
		return noBody
	}
	return byClose
}

// withTarget returns the head's bytes with another request target.
func (h *head) withTarget(target string) []byte {
	at := len(h.method) + 1
	return bytes.Join([][]byte{h.raw[:at], []byte(target), h.raw[at+len(h.target):]}, nil)
}

// withLength returns a head's bytes with Content-Length n instead of the field
// that frames the message. The other fields stay as they are. The capacity
// suffices to append a body of that length.
func withLength(raw []byte, n int) []byte {
	out := make([]byte, 0, len(raw)+32+n)
	for len(raw) > 0 {
		end := bytes.IndexByte(raw, '\n') + 1
		line := raw[:end]
		raw = raw[end:]
		name, _, _ := bytes.Cut(line, colon)
		switch {
		case equalFold(name, "Content-Length"):
			out = append(out, name...)
			out = fmt.Appendf(out, ": %d\r\n", n)
		case equalFold(name, "Transfer-Encoding"):
			out = fmt.Appendf(out, "Content-Length: %d\r\n", n)
		case equalFold(name, "Trailer"): // only a chunked body has trailers
		default:
			out = append(out, line...)
		}
	}
	return out
}

var (
	space = []byte(" ")
	colon = []byte(":")
)

// equalFold compares without regard to case, in ASCII alone, as HTTP does.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		if lower(b[i]) != lower(s[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// tokenBytes are the bytes of a token (RFC 9110, 5.6.2).
var tokenBytes = func() (is [256]bool) {
	for _, c := range "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		is[c] = true
	}
	return is
}()

func isToken(b []byte) bool {
	for _, c := range b {
		if !tokenBytes[c] {
			return false
		}
	}
	return len(b) > 0
}

func isVisible(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

func isFieldValue(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// shorten returns the first bytes of what a client sent, for an error.
func shorten(b []byte) []byte { return b[:min(len(b), 60)] }
