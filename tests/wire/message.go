package wire

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
)

// call is a route of the Engine's API and the requests that it gets here.
type call struct {
	method, target string
	kind           kind
	content        content
}

// kind is how safesock moves the bytes of a call.
type kind int

const (
	passes   kind = iota // as they come
	holds                // once the request is there whole: it is read
	upgrades             // as they come; a 101 makes a raw stream of the connection
	hijacks              // so does a 200 of a raw stream's type and no framing
)

// content is what a call's requests carry.
type content int

const (
	nothing content = iota // in most cases
	noise
	claims // JSON that claims nothing
)

const container = "4c01db0b339c4c01db0b339c4c01db0b339c4c01db0b339c4c01db0b339c4c01"

var calls = []call{
	{"GET", "/_ping", passes, nothing},
	{"HEAD", "/_ping", passes, nothing},
	{"GET", "/v1.51/containers/" + container + "/logs?stdout=1&follow", passes, nothing},
	{"DELETE", "/images/a%2Fb?force=1", passes, nothing},
	{"POST", "/images/load?quiet=1", passes, noise},
	{"PATCH", "/new/thing?a=%20;&b", passes, noise},
	{"POST", "/v1.41/build?t=web", passes, noise},                            // intercepted: its query is read
	{"PUT", "/containers/" + container + "/archive?path=%2F", passes, noise}, // intercepted: the container is looked up
	{"POST", "/containers/create?name=web", holds, claims},                   // its answer is held as well: it may get warnings
	{"POST", "/networks/create", holds, claims},
	{"POST", "/volumes/create", holds, claims},
	{"POST", "/exec/1a/start", hijacks, claims},                                       // the exec is looked up, and its container
	{"POST", "/v1.51/containers/" + container + "/attach?stream=1", hijacks, nothing}, // the container is looked up
	{"POST", "/session", upgrades, nothing},
}

// lookedUp reports whether safesock asks the Engine about a call before it
// forwards it. A client that leaves meanwhile takes the call with it, and all
// that it has said behind it.
func (c call) lookedUp() bool {
	return strings.HasSuffix(c.target, "/build?t=web") || strings.HasSuffix(c.target, "/archive?path=%2F") || c.kind == hijacks
}

func (m *maker) anyCall() call { return calls[m.IntN(len(calls))] }

// message is a request or an answer.
type message struct {
	bytes   []byte
	head    int   // where the body begins
	marks   []int // where heads, lines and chunks end
	expects bool  // 100 Continue
	text    string
}

// framing is how a reader finds the end of a body.
type framing int

const (
	unframed framing = iota // no body in a request, until the Engine's end in an answer
	bySize
	byChunks
)

const goAhead = "HTTP/1.1 100 Continue\r\n\r\n"

// request makes a request. Its Host tells the Engine which plan it belongs to.
func (m *maker) request(c call) message {
	m.lookedUp = m.lookedUp || c.lookedUp()
	how, body := unframed, []byte(nil)
	switch {
	case c.content == noise:
		how, body = m.anyFraming(), m.body()
	case c.content == claims:
		how, body = m.anyFraming(), m.claims()
	case m.oneIn(8): // unusual, and allowed
		how, body = m.anyFraming(), m.noise(m.IntN(100))
	}
	fields := []string{m.field()}
	switch {
	case c.kind == upgrades:
		fields = append(fields, "Connection: Upgrade", "Upgrade: h2c")
	case c.kind == hijacks && m.oneIn(2):
		fields = append(fields, "Upgrade: tcp", "Connection: Upgrade")
	}
	expects := len(body) > 0 && (c.kind == passes || c.kind == holds) && m.oneIn(6)
	if expects {
		fields = append(fields, "Expect: 100-continue")
	}
	q := m.message(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n", c.method, c.target, hostOf(m.seed)), fields, how, body, false)
	q.expects = expects
	q.text = c.method + " " + c.target + q.text
	return q
}

// answer makes an answer to a call, which does not make a raw stream of the
// connection. Only the last one may last until the Engine's end; one to a call
// that could be upgraded may not, since safesock does not hear the client's end
// before it knows what the client's next bytes are.
func (m *maker) answer(c call, last bool) message {
	status := m.oneOf(200, 200, 200, 201, 204, 304, 404, 500)
	how, body := m.anyFraming(), m.body()
	fields := []string{m.field(), "Content-Type: " + [...]string{"application/json", "application/x-tar", rawStream}[m.IntN(3)]}
	if last && m.oneIn(4) && (c.kind == passes || c.kind == holds) {
		how = unframed
	}
	if last && m.oneIn(3) {
		fields = append(fields, "Connection: close")
	}
	if status == 204 {
		how, body = unframed, nil
	}
	a := m.answerOf(c, status, fields, how, body)
	switch m.IntN(12) {
	case 0:
		a.insert("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
	case 1: // nobody asked for it, and it is allowed
		a.insert("HTTP/1.1 100 Continue\r\nX-More: 1\r\n\r\n")
	}
	return a
}

// insert puts an informational answer before the final one.
func (a *message) insert(info string) {
	a.bytes = append([]byte(info), a.bytes...)
	a.head += len(info)
	for i := range a.marks {
		a.marks[i] += len(info)
	}
	a.marks = append(a.marks, len(info))
	a.text = info[len("HTTP/1.1 "):][:3] + ", " + a.text
}

// lastAnswer makes an answer after which the Engine takes no more requests.
func (m *maker) lastAnswer(c call) message {
	return m.answerOf(c, 400, []string{"Connection: close", m.field()}, framing(m.IntN(3)), m.body())
}

func (m *maker) answerOf(c call, status int, fields []string, how framing, body []byte) message {
	a := m.message(fmt.Sprintf("HTTP/1.1 %d Whatever\r\n", status), fields, how, body, true)
	if c.method == "HEAD" || status == 304 { // the head is that of an answer with a body
		a.bytes, a.marks = a.bytes[:a.head], a.marks[:1]
	}
	a.text = fmt.Sprint(status) + a.text
	return a
}

const rawStream = "application/vnd.docker.raw-stream"

// rawAnswer makes an answer after which both sides say what they like.
func (m *maker) rawAnswer(c call) message {
	start, fields := "HTTP/1.1 101 UPGRADED\r\n", []string{"Connection: Upgrade", "Upgrade: tcp", m.field()}
	if c.kind == hijacks && m.oneIn(2) {
		start, fields = "HTTP/1.1 200 OK\r\n", []string{"Content-Type: " + m.either(rawStream, "application/vnd.docker.multiplexed-stream"), m.field()}
	}
	a := m.message(start, fields, unframed, nil, true)
	a.text = start[len("HTTP/1.1 "):][:3] + ", raw"
	return a
}

// message puts a message together. Only an Engine's chunks have extensions.
func (m *maker) message(start string, fields []string, how framing, body []byte, extensions bool) message {
	switch how {
	case bySize:
		fields = append(fields, fmt.Sprintf("%s: %d", m.either("Content-Length", "content-length"), len(body)))
	case byChunks:
		fields = append(fields, m.either("Transfer-Encoding: chunked", "transfer-encoding: Chunked"))
	}
	m.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	var a message
	a.add(start + strings.Join(fields, "\r\n") + "\r\n\r\n")
	a.head = len(a.bytes)
	if how != unframed || len(body) > 0 {
		a.text = fmt.Sprintf(", %d bytes", len(body))
	}
	switch how {
	case unframed:
		a.bytes = append(a.bytes, body...)
	case bySize:
		a.bytes = append(a.bytes, body...)
		a.text += " by size"
	case byChunks:
		sizes := m.chunks(&a, body, extensions)
		a.text += fmt.Sprintf(" by %d chunks of %d…", len(sizes), sizes[:min(len(sizes), 6)])
	}
	return a
}

// chunks adds a body by chunks of the sizes that it returns.
func (m *maker) chunks(a *message, body []byte, extensions bool) (sizes []int) {
	extension := func() string {
		if extensions && m.oneIn(6) {
			return m.either(";a=b", ` ; name="a value;"`)
		}
		return ""
	}
	for len(body) > 0 {
		n := min(1+m.size(), len(body))
		sizes = append(sizes, n)
		a.add(fmt.Sprintf(m.either("%x", "%06X"), n) + extension() + "\r\n")
		a.bytes = append(a.bytes, body[:n]...)
		a.mark()
		a.add("\r\n")
		body = body[n:]
	}
	a.add(m.either("0", "000") + extension() + "\r\n")
	for range m.oneOf(0, 0, 1, 2) {
		a.add("X-Sum: " + m.letters(m.IntN(40)) + "\r\n")
	}
	a.add("\r\n")
	return sizes
}

// add adds text, and a mark behind it.
func (a *message) add(text string) {
	a.bytes = append(a.bytes, text...)
	a.mark()
}

func (a *message) mark() { a.marks = append(a.marks, len(a.bytes)) }

// size is a number of bytes: few, or near what safesock's buffers and splices
// are a multiple of, or any, or many.
func (m *maker) size() int {
	switch n := m.IntN(150); {
	case n == 0:
		return m.IntN(1500 << 10)
	case n < 5:
		return m.IntN(130 << 10)
	case n < 35:
		return (1+m.IntN(4))<<14 + m.IntN(9) - 4
	case n < 75:
		return m.IntN(24 << 10)
	default:
		return m.IntN(40)
	}
}

func (m *maker) body() []byte {
	n := 0
	for range m.IntN(4) {
		n += m.size()
	}
	return m.noise(min(n, len(babble)/2))
}

// claims is JSON that claims nothing, of any length.
func (m *maker) claims() []byte {
	return fmt.Appendf(nil, `{"Image":"web:1","Name":"web","Labels":{"x":"%s"}}`, m.letters(m.size()))
}

// field is one that means nothing, and is seldom longer than a buffer.
func (m *maker) field() string {
	n := m.IntN(60)
	if m.oneIn(50) {
		n = m.IntN(60 << 10)
	}
	return m.either("X-Noise: ", "x-noise:") + m.letters(n)
}

func (m *maker) anyFraming() framing { return framing(m.oneOf(int(bySize), int(byChunks))) }

func (m *maker) either(a, b string) string {
	if m.oneIn(2) {
		return a
	}
	return b
}

// babble is what noise is cut from: as good as random, and cheap.
var babble = func() []byte {
	b := make([]byte, 4<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b) // never fails
	return b
}()

var babbleLetters = hex.EncodeToString(babble)

func (m *maker) noise(n int) []byte {
	at := m.IntN(len(babble) - n)
	return babble[at : at+n : at+n]
}

func (m *maker) letters(n int) string {
	at := m.IntN(len(babbleLetters) - n)
	return babbleLetters[at : at+n]
}
