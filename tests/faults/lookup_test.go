package faults

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// badLookup is one way in which an Engine answers what safesock itself asks.
type badLookup struct {
	name string
	says string
	then then
	want string // what the client is told, in which QUESTION is the look-up's path; "" if the client leaves
}

const (
	notAsked = "engine QUESTION: cannot ask the Engine: Get \"http://localhostQUESTION\": "
	notRead  = "engine QUESTION: "
	notJSON  = "the Engine's answer to GET QUESTION: not JSON: "
	lacks    = "the Engine's answer to GET QUESTION lacks "
	broken   = notAsked + "net/http: HTTP/1.x transport connection broken: "
	partial  = `{"Id":"` + containerID + `","Name":"/web"`
)

func answered(status int) string {
	return fmt.Sprintf("the Engine answered %d to GET QUESTION, which the policy needs to know", status)
}

var badLookups = []badLookup{
	{"closes", "", closes, notAsked + "EOF"},
	{"says 500", answer(500, `{"message":"boom"}`), goesOn, answered(500)},
	{"says 500 and no body", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", goesOn, answered(500)},
	{"says 404", answer(404, `{"message":"No such thing"}`), goesOn, "No such thing"},
	{"says 404 in HTML", answer(404, `<html>not found</html>`), goesOn, "No such container: web"},
	{"says 404 and half a body", "HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n{\"message\":", closes, notRead + "unexpected EOF"},
	{"says 204", "HTTP/1.1 204 No Content\r\n\r\n", goesOn, answered(204)},
	{"says 301", "HTTP/1.1 301 Moved Permanently\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", goesOn, answered(301)},
	{"says 101", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", goesOn, answered(101)},
	{"says HTML", answer(200, `<html>hello</html>`), goesOn, notJSON + "'<' at byte 0"},
	{"says an empty body", answer(200, ""), goesOn, "the Engine's answer to GET QUESTION: the JSON ends too early"},
	{"says half an object", answer(200, partial), goesOn, "the Engine's answer to GET QUESTION: the JSON ends too early"},
	{"breaks off within its body", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + partial, closes, notRead + "unexpected EOF"},
	{"says {}", answer(200, "{}"), goesOn, lacks + "Id"},
	{"says null", answer(200, "null"), goesOn, lacks + "Id"},
	{"says []", answer(200, "[]"), goesOn, "the Engine's answer to GET QUESTION: not an object"},
	{"says half of the fields", answer(200, partial+"}"), goesOn, lacks + "FIELD"},
	{"says two objects", answer(200, "{}{}"), goesOn, "the Engine's answer to GET QUESTION: something follows the JSON value at byte 2"},
	{"says garbage", "\x16\x03\x01\n\x00\xff", closes, broken + `malformed HTTP response "\x16\x03\x01"`},
	{"says 17 MiB", answer(200, `{"Id":"`+strings.Repeat("a", 17<<20)+`"}`), goesOn, notRead + "the Engine's answer to GET QUESTION is longer than 16777216 bytes"},
	{"says bad chunks", chunked + "zz\r\n", goesOn, notRead + "invalid byte in chunk length"},
	{"says 1xx without end", strings.Repeat("HTTP/1.1 102 Processing\r\nX-Long: "+long+"\r\n\r\n", 120), goesOn, broken + "net/http: server response headers exceeded 10485760 bytes; aborted"},
	{"never answers", "", waits, ""},
	{"falls silent within its body", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + partial, waits, ""},
}

// act answers calls well, and what safesock asks badly.
func (b badLookup) act(e *end) {
	for {
		r, err := http.ReadRequest(e.in)
		if err != nil {
			return
		}
		e.engine.note(r)
		switch {
		case !isLookup(r):
			io.Copy(io.Discard, r.Body)
			e.say(okText)
		case b.then == waits:
			e.say(b.says)
			io.Copy(io.Discard, e)
			return
		default:
			e.say(b.says)
			if b.then == closes {
				return
			}
		}
	}
}

// asking are calls for which safesock asks the Engine.
var asking = []struct {
	name, text, endpoint string
	question             string
	field                string // that the answer lacks with half of the fields
	ends                 bool   // a refusal ends the connection, as the body was not read
	may                  bool   // what it asks for need not be there
}{
	{"start", post("/containers/web/start", "", ""), "container.start", "/containers/web/json", "State", false, false},
	{"exec create", post("/containers/web/exec", "", `{"Cmd":["ls"]}`), "container.exec", "/containers/web/json", "State", false, false},
	{"attach", post("/containers/web/attach", upgrade, ""), "container.attach", "/containers/web/json", "State", true, false},
	{"create on a network", createCall(`{"Image":"web:1","HostConfig":{"NetworkMode":"lan"}}`), "container.create", "/networks/lan", "Driver", false, true},
}

func TestACallWhoseLookUpIsAnsweredBadlyGoesNoFurther(t *testing.T) {
	keepsDescriptors(t, func() {
		for _, b := range badLookups {
			asking := asking
			if len(b.says) > 1<<20 { // takes its time
				asking = asking[:1]
			}
			for _, c := range asking {
				t.Run(b.name+"/"+c.name, func(t *testing.T) {
					w := newWorld(t, b.act)
					want, ended, had := "", "refused", []string{"GET " + c.question}
					switch words := strings.NewReplacer("QUESTION", c.question, "FIELD", c.field).Replace(b.want); {
					case c.may && strings.HasPrefix(b.name, "says 404") && b.then == goesOn:
						want, ended, had = okText, "200", append(had, methodAndPath(c.text))
					case strings.HasPrefix(words, "No such"):
						want = ownAnswer(404, words, c.ends)
					case words != "":
						want = ownAnswer(502, "safesock: "+words, c.ends)
					}
					client := w.dial()
					for range 2 { // a call after it is treated alike
						if c.ends {
							client.Close()
							client = w.dial()
						}
						client.say(c.text)
						if want == "" {
							w.engine.await(t, "GET "+c.question)
							break
						}
						got := make([]byte, len(want))
						n, err := io.ReadFull(client.in, got)
						if string(got[:n]) != want {
							t.Fatalf("the client saw\n%q (%v) want\n%q", got[:n], err, want)
						}
					}
					client.Close()
					w.awaitNone()
					calls := 2
					if want == "" {
						calls = 1
					}
					if got, want := w.log(), slices.Repeat([]string{c.endpoint + ": " + ended}, calls); !slices.Equal(got, want) {
						t.Errorf("the log has %q want %q", got, want)
					}
					if got, want := w.engine.had(), slices.Repeat(had, calls); !slices.Equal(got, want) {
						t.Errorf("the Engine had %q want %q", got, want)
					}
				})
			}
		}
	})
}
