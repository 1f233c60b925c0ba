package faults

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// call is one kind of call that a client makes.
type call struct {
	name     string
	text     string
	endpoint string // "" if the call is forwarded unread
	looksUp  bool   // safesock asks the Engine before it forwards the call
	upgrades bool   // 101 is an answer to it
}

const ping = "GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n"

var calls = []call{
	{"ping", ping, "", false, false},
	{"ping by HEAD", strings.Replace(ping, "GET", "HEAD", 1), "", false, false},
	{"upload", "POST /images/load HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "", false, false},
	{"create", createCall(`{"Image":"web:1","HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]}}}`), "container.create", false, false},
	{"start", post("/containers/web/start", "", ""), "container.start", true, false},
	{"attach", post("/containers/web/attach", upgrade, ""), "container.attach", true, true},
	{"exec start", post("/exec/0a/start", upgrade, `{"Tty":true}`), "exec.start", true, true},
	{"session", post("/session", "Connection: Upgrade\r\nUpgrade: h2c\r\n", ""), "session", false, true},
}

const upgrade = "Connection: Upgrade\r\nUpgrade: tcp\r\n"

func post(path, fields, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: docker\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, fields, len(body), body)
}

func createCall(body string) string { return post("/containers/create?name=web", "", body) }

// createNamed is a create of a container.
func createNamed(name string) string {
	return strings.Replace(calls[3].text, "name=web", "name="+name, 1)
}

// then is what an Engine does once it has said what it says.
type then int

const (
	closes then = iota
	waits       // says nothing more
	goesOn      // answers the next call well
)

// bad is one way in which an Engine misbehaves.
type bad struct {
	name   string
	says   string
	then   then
	status int    // of the call in the log
	want   string // what the client sees: as direct, or a text of words, or of an answer

	unasked bool // it does not wait for a call
	slowly  bool // a byte at a time
}

// asDirect means that the client sees what it sees without safesock.
const asDirect = "as direct"

const (
	okHead   = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	okText   = okHead + "Content-Length: 12\r\n\r\n{\"Id\":\"0a\"}\n"
	chunked  = okHead + "Transfer-Encoding: chunked\r\n\r\n"
	hungUp   = "the Engine at ENGINE hung up without an answer"
	unpassed = "the Engine's answer cannot be passed on: "
)

var long = strings.Repeat("0123456789abcdef", 6400)

var bads = []bad{
	{name: "closes once it has the call", want: hungUp, status: 502},
	{name: "closes at once", want: hungUp, status: 502, unasked: true},
	{name: "speaks before it is asked", says: okText, then: waits, want: asDirect, status: 200, unasked: true},
	{name: "never answers", then: waits, want: asDirect, status: 502},
	{name: "says garbage", says: "\x16\x03\x01\x00\xff", want: hungUp, status: 502},
	{name: "says garbage in lines", says: "\x16\x03\x01\n\x00\xff\n\n", then: waits, want: unpassed + "the status line is not HTTP/1", status: 502},
	{name: "falls silent within garbage", says: "\x16\x03\x01\n\x00\xff", then: waits, want: "", status: 502},
	{name: "speaks another protocol", says: "SSH-2.0-OpenSSH_9.2p1\r\n\r\n", then: waits, want: unpassed + "the status line is not HTTP/1", status: 502},
	{name: "speaks HTTP/2 unasked", says: "HTTP/2 200 OK\r\n\r\n", then: waits, want: unpassed + "the status line is not HTTP/1", status: 502},
	{name: "says a status of two digits", says: "HTTP/1.1 99 No\r\n\r\n", then: waits, want: unpassed + "the status line has no status", status: 502},
	{name: "breaks off within the head", says: "HTTP/1.1 200 OK\r\nContent-Le", want: hungUp, status: 502},
	{name: "falls silent within the head", says: "HTTP/1.1 200 OK\r\nContent-Le", then: waits, want: "", status: 502},
	{name: "breaks off behind the head", says: okHead + "Content-Length: 500\r\n\r\n", want: asDirect, status: 200},
	{name: "breaks off within a length", says: okHead + "Content-Length: 500\r\n\r\n{\"Id\":", want: asDirect, status: 200},
	{name: "falls silent within a length", says: okHead + "Content-Length: 500000\r\n\r\n" + long, then: waits, want: asDirect, status: 200},
	{name: "breaks off within a long length", says: okHead + "Content-Length: 500000\r\n\r\n" + long, want: asDirect, status: 200},
	{name: "breaks off within a chunk", says: chunked + "f4240\r\n" + long, want: asDirect, status: 200},
	{name: "breaks off between chunks", says: chunked + "5\r\n{\"Id\"\r\n", want: asDirect, status: 200},
	{name: "breaks off within a chunk's size", says: chunked + "5\r\n{\"Id\"\r\n2", want: asDirect, status: 200},
	{name: "breaks off within the trailer", says: chunked + "5\r\n{\"Id\"\r\n0\r\nX-", want: asDirect, status: 200},
	{name: "falls silent between chunks", says: chunked + "5\r\n{\"Id\"\r\n", then: waits, want: asDirect, status: 200},
	{name: "says a chunk's size in letters", says: chunked + "zz\r\nhello\r\n0\r\n\r\n", then: waits, want: chunked, status: 200},
	{name: "says a chunk's size below zero", says: chunked + "5\r\n{\"Id\"\r\n-1\r\n", then: waits, want: chunked + "5\r\n{\"Id\"\r\n", status: 200},
	{name: "says a chunk's size out of range", says: chunked + "fffffffffffffffff\r\n", then: waits, want: chunked + "fffffffffffffff", status: 200},
	{name: "says more than a chunk's size", says: chunked + "5\r\n{\"Id\":1}\r\n0\r\n\r\n", then: waits, want: chunked + "5\r\n{\"Id\"", status: 200},
	{name: "says 1xx without end", says: strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 5000), then: waits, want: asDirect, status: 502},
	{name: "says 1xx and closes", says: "HTTP/1.1 102 Processing\r\n\r\n", want: "HTTP/1.1 102 Processing\r\n\r\n" + hungUp, status: 502},
	{name: "says 900 KiB of fields", says: "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Long: "+long[:1014]+"\r\n", 900) + "Content-Length: 0\r\n\r\n", then: goesOn, want: asDirect, status: 200},
	{name: "says 2 MiB of fields", says: "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Long: "+long[:1014]+"\r\n", 2048) + "Content-Length: 0\r\n\r\n", then: waits, want: unpassed + "the head is longer than 1 MiB", status: 502},
	{name: "says a field without end", says: "HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat(long, 12), then: waits, want: unpassed + "the head is longer than 1 MiB", status: 502},
	{name: "says a byte at a time", says: okText, then: goesOn, want: asDirect, status: 200, slowly: true},
	{name: "says chunks a byte at a time", says: chunked + "5;a=b\r\n{\"Id\"\r\n2\r\n:1\r\n1\r\n}\r\n0\r\nX-Sum: 1\r\n\r\n", then: goesOn, want: asDirect, status: 200, slowly: true},
	{name: "says 101 unasked", says: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nraw", then: waits, want: unpassed + "it switches protocols where no call may", status: 502},
	{name: "answers twice", says: okText + okText, then: waits, want: okText, status: 200},
	{name: "says more than its length", says: okText + "more", then: waits, want: okText, status: 200},
	{name: "says both a length and chunks", says: okHead + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", then: waits, want: unpassed + "both Content-Length and Transfer-Encoding", status: 502},
	{name: "says two lengths", says: okHead + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", then: waits, want: unpassed + "two Content-Length fields", status: 502},
	{name: "says a length below zero", says: okHead + "Content-Length: -5\r\n\r\nhello", then: waits, want: unpassed + `Content-Length "-5" is not a number`, status: 502},
	{name: "says another coding", says: okHead + "Transfer-Encoding: gzip\r\n\r\nhello", then: waits, want: unpassed + "a Transfer-Encoding other than one chunked", status: 502},
	{name: "answers well", says: okText, then: goesOn, want: asDirect, status: 200},
}

// act is the bad Engine.
func (b bad) act(e *end) {
	if !b.unasked {
		if e.request() == nil {
			return
		}
	}
	if b.slowly {
		for i := range b.says {
			e.say(b.says[i : i+1])
		}
	} else {
		e.say(b.says)
	}
	if b.then == waits {
		e.awaitRead()
		e.engine.said.Add(1)
	}
	for b.then == goesOn {
		if e.request() == nil {
			return
		}
		e.say(okText)
	}
	if b.then == waits {
		io.Copy(io.Discard, e)
	}
}

// seen is what a client saw.
type seen struct {
	answer string
	after  string // "the end", "nothing more", or the answer to its next call
}

func (s seen) String() string {
	if len(s.answer) > 400 {
		return fmt.Sprintf("%q… (%d bytes) and then %q", s.answer[:400], len(s.answer), s.after)
	}
	return fmt.Sprintf("%q and then %q", s.answer, s.after)
}

// see makes a call and looks at what comes as long as what it wants to see
// comes, or at all if that ends. If nothing is to come, it leaves once what the
// Engine says was read.
func see(t *testing.T, e *engine, socket, text string, want seen) (got seen) {
	t.Helper()
	before := e.said.Load()
	c := connect(t, socket)
	if c == nil {
		return seen{}
	}
	defer c.Close()
	c.say(text)
	if want.answer == "" && want.after == nothingMore && !e.forgets {
		await(t, "an Engine that has said its part", func() string {
			if e.said.Load() > before {
				return ""
			}
			return "none"
		})
	}
	if want.after == theEnd {
		answer, err := io.ReadAll(c.in)
		return seen{string(answer), howItEnded(err)}
	}
	answer := make([]byte, len(want.answer))
	n, err := io.ReadFull(c.in, answer)
	got = seen{string(answer[:n]), nothingMore}
	if err != nil {
		got.after = howItEnded(err)
	} else if want.after != nothingMore {
		c.say(ping)
		answer := make([]byte, len(want.after))
		n, _ := io.ReadFull(c.in, answer)
		got.after = string(answer[:n])
	}
	return got
}

const (
	theEnd      = "the end"
	nothingMore = "nothing more"
)

func howItEnded(err error) string {
	switch {
	case err == nil, err == io.EOF, err == io.ErrUnexpectedEOF, errors.Is(err, syscall.ECONNRESET), errors.Is(err, net.ErrClosed):
		return theEnd
	}
	return err.Error()
}

// wanted is what a client is to see of a bad Engine, and the status that the
// log is to have.
func (b bad) wanted(c call, direct seen, socket string) (seen, int) {
	switch {
	case c.upgrades && strings.HasPrefix(b.says, "HTTP/1.1 101"):
		return direct, 101
	case b.want == "":
		return seen{"", nothingMore}, b.status
	case strings.HasPrefix(c.text, "HEAD") && b.status == 200:
		// A body in an answer to HEAD is bytes out of turn.
		if head := headOf(b.says); head != b.says {
			return seen{head, theEnd}, b.status
		}
		return direct, b.status
	case c.name == "create" && strings.HasPrefix(b.want, chunked): // the answer is read whole first
		return seen{b.says, theEnd}, b.status
	case c.name == "create" && strings.HasPrefix(b.name, "falls silent"):
		return seen{"", nothingMore}, b.status
	case b.want == asDirect:
		return direct, b.status
	}
	before, words := "", b.want
	if at := strings.LastIndex(b.want, "\r\n"); at > 0 {
		before, words = b.want[:at+2], b.want[at+2:]
	}
	if strings.HasPrefix(b.want, "HTTP/1.1 200") {
		return seen{b.want, theEnd}, b.status
	}
	said := ownAnswer(502, "safesock: "+strings.ReplaceAll(words, "ENGINE", socket), true)
	if strings.HasPrefix(c.text, "HEAD") {
		said = headOf(said)
	}
	return seen{before + said, theEnd}, b.status
}

// direct is what a client sees without safesock.
func (b bad) direct() seen {
	switch b.then {
	case closes:
		return seen{b.says, theEnd}
	case goesOn:
		return seen{b.says, okText}
	}
	return seen{b.says, nothingMore}
}

func TestABadEnginesAnswersAreSeenAsTheyAreOrAs502(t *testing.T) {
	keepsDescriptors(t, func() {
		for _, b := range bads {
			for _, c := range calls {
				if b.unasked && c.looksUp {
					continue // such an Engine answers no look-up either: those are another table
				}
				t.Run(b.name+"/"+c.name, func(t *testing.T) {
					w := newWorld(t, b.act)
					direct := b.direct()
					if got := see(t, w.engine, w.engine.socket, c.text, direct); got != direct {
						t.Fatalf("without safesock, the client saw %v want %v", got, direct)
					}
					if b.then == waits {
						await(t, "the end of what the Engine says", func() string {
							if w.engine.said.Load() > 0 {
								return ""
							}
							return "it is not read"
						})
					}
					before := len(w.engine.had())
					want, status := b.wanted(c, direct, w.engine.socket)
					times := 2 // a call after it is treated alike
					if b.unasked {
						times = 50 // whether the Engine or the call is first is chance
					}
					for range times {
						if got := see(t, w.engine, w.socket, c.text, want); got != want {
							t.Errorf("the client saw\n%v want\n%v", got, want)
						}
					}
					w.awaitNone()
					wantLog := []string{}
					if c.endpoint != "" {
						wantLog = slices.Repeat([]string{fmt.Sprintf("%s: %d", c.endpoint, status)}, times)
					}
					if got := w.log(); !slices.Equal(got, wantLog) {
						t.Errorf("the log has\n%q want\n%q", got, wantLog)
					}
					made := []string{methodAndPath(c.text)}
					if want.after == okText {
						made = append(made, methodAndPath(ping))
					}
					if got := w.engine.had()[before:]; !b.unasked && !slices.Equal(got, slices.Repeat(made, 2)) {
						t.Errorf("the Engine had %q want %q twice", got, made)
					}
				})
			}
		}
	})
}

// methodAndPath are those of a call as the Engine has it: by id.
func methodAndPath(text string) string {
	method, rest, _ := strings.Cut(text, " ")
	path, _, _ := strings.Cut(rest, " ")
	path, _, _ = strings.Cut(path, "?")
	return method + " " + strings.Replace(path, "/web/", "/"+containerID+"/", 1)
}
