package proxy

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// create is a short form of what "docker run -p 1234:80 web:1" sends.
func create(body string) string {
	return fmt.Sprintf("POST /v1.41/containers/create?name=web HTTP/1.1\r\nHost: docker\r\nUser-Agent: test\r\nContent-Type: application/json\r\nContent-Length: %d\r\nX-Last: 1\r\n\r\n%s", len(body), body)
}

func answer(status, body string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

const (
	openBody  = `{ "Image":"web:1", "HostConfig": {"PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"1234"}]}}, "Domainname":[1e99] }`
	boundBody = `{ "Image":"web:1", "HostConfig": {"PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"1234"}]}}, "Domainname":[1e99] }`
	created   = `{"Id":"0123abcd","Warnings":[]}`
	warned    = `{"Id":"0123abcd","Warnings":["safesock: 80/tcp is published on 127.0.0.1:1234 instead of every interface (port \"unset goes to loopback\", built-in:LINE); to publish it wider, name an address (0.0.0.0:1234:80) or add a rule"]}`
)

// line matches a place in the built-in policy, whose line numbers change with it.
var line = regexp.MustCompile(`built-in:\d+`)

func TestAnOpenPortIsBoundAndTold(t *testing.T) {
	chunked := func(body string) string {
		return strings.Replace(fmt.Sprintf("%s%x\r\n%s\r\n0\r\nX-Sum: 1\r\n\r\n", create(""), len(body), body), "Content-Length: 0", "Transfer-Encoding: chunked", 1)
	}
	for name, request := range map[string]string{
		"a sized body":   create(openBody),
		"a chunked body": chunked(openBody),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(e *peerEnd) {
				for range 2 {
					e.expect(create(boundBody))
					e.send(answer("201 Created", created))
				}
			})
			c := w.dial()
			for range 2 {
				c.send(request)
				got, err := http.ReadResponse(c.in, nil)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(got.Body)
				if err != nil || got.StatusCode != 201 || got.Header.Get("Api-Version") != "1.41" || got.ContentLength != int64(len(body)) {
					t.Errorf("got %+v (%v)", got, err)
				}
				if body := line.ReplaceAllString(string(body), "built-in:LINE"); body != warned {
					t.Errorf("got\n%s\nwant\n%s", body, warned)
				}
			}
		})
	}
}

// The line that an edit changes ends in CRLF. Whether the Engine takes the head
// is up to the Engine.
func TestAnEditLeavesTheOtherLinesOfTheHeadAsTheyCame(t *testing.T) {
	for name, fields := range map[string]string{
		"bare line feeds": "Host: docker\nX: 1\n",
		"no Host":         "X: 1\r\n",
		"two Hosts":       "Host: docker\r\nHost: other\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			const post = "POST /containers/create HTTP/1.1\n"
			w := newWorld(t, func(e *peerEnd) {
				e.expect(fmt.Sprintf("%s%sContent-Length: %d\r\n\n%s", post, fields, len(boundBody), boundBody))
				e.send(answer("404 Not Found", "{}"))
			})
			c := w.dial()
			c.send(fmt.Sprintf("%s%sContent-Length:%d\n\n%s", post, fields, len(openBody), openBody))
			c.expect(answer("404 Not Found", "{}"))
		})
	}
}

func TestTheEnginesSocketIsKnownBehindLinks(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link.sock")
	w := newWorld(t, func(e *peerEnd) {
		e.expect(create(`{"HostConfig":{"Binds":["` + e.w.socket + `:/var/run/docker.sock:ro"]}}`))
		e.send(answer("201 Created", created))
	}, func(s *Server) {
		if err := os.Symlink(s.Upstream, link); err != nil {
			t.Fatal(err)
		}
		s.Upstream = link
	})
	c := w.dial()
	c.send(create(`{"HostConfig":{"Binds":["` + w.engine + `:/var/run/docker.sock:ro"]}}`))
	c.expect("HTTP/1.1 201 Created\r\n")
}

func TestACallThatNeedsNoEditGoesAsItCame(t *testing.T) {
	long := strings.Repeat(" ", 5<<20)
	for name, request := range map[string]string{
		"bound by the client": create(boundBody),
		"chunks and trailer": "POST /containers/create HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" +
			"01\r\n{\r\n14\r\n\"Image\":\"web:1\"    }\r\n0\r\nX-Sum: 3\r\n\r\n",
		"five megabytes":   create(`{"Image":"web:1"` + long + `}`),
		"an escaped route": strings.Replace(create(boundBody), "/containers/create", "/%63ontainers/creat%65", 1),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(e *peerEnd) {
				e.expect(request)
				e.send(answer("201 Created", created))
			})
			c := w.dial()
			c.send(request)
			c.expect(answer("201 Created", created))
		})
	}
}

func TestSafesockSays100ContinueForABodyThatItReads(t *testing.T) {
	head, body, _ := strings.Cut(strings.Replace(create(openBody), "X-Last: 1", "Expect: 100-continue", 1), "\r\n\r\n")
	edited, _, _ := strings.Cut(strings.Replace(create(boundBody), "X-Last: 1", "Expect: 100-continue", 1), "\r\n\r\n")
	w := newWorld(t, func(e *peerEnd) {
		e.expect(edited + "\r\n\r\n" + boundBody)
		e.send("HTTP/1.1 100 Continue\r\n\r\n" + answer("404 Not Found", "{}"))
	})
	c := w.dial()
	c.send(head + "\r\n\r\n")
	c.expect("HTTP/1.1 100 Continue\r\n\r\n")
	c.send(body)
	c.expect(answer("404 Not Found", "{}"))
}

func TestARefusedCallLeavesTheConnectionUsable(t *testing.T) {
	w := newWorld(t, func(e *peerEnd) {
		e.expect(ping)
		e.send(okText)
	})
	w.setPolicy(`port "none" { action = "deny" }`)
	c := w.dial()
	c.send(create(openBody) + ping)
	body := "{\"message\":\"safesock: 80/tcp may not be published on every interface (port \\\"none\\\", test.hcl:1); to allow it, put a rule before that one\"}\n"
	c.expect(fmt.Sprintf("HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	c.expect(okText)
}

func TestARefusalEndsTheConnectionIfTheClientWantsIt(t *testing.T) {
	for name, request := range map[string]string{
		"Connection: close": strings.Replace(create(openBody), "X-Last: 1", "Connection: Upgrade, Close", 1),
		"HTTP/1.0":          strings.Replace(create(openBody), "HTTP/1.1\r\nHost: docker", "HTTP/1.0", 1),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(e *peerEnd) { e.expectEnd() })
			w.setPolicy(`port "none" { action = "deny" }`)
			c := w.dial()
			c.send(request)
			answer, err := io.ReadAll(c)
			if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 403 Forbidden\r\n") || !strings.Contains(string(answer), "\r\nConnection: close\r\n") {
				t.Errorf("got %q (%v)", answer, err)
			}
		})
	}
}

func TestABodyBeyondTheLimitIsRefused(t *testing.T) {
	for name, request := range map[string]string{
		"by its length": "POST /containers/create HTTP/1.1\r\nHost: docker\r\nContent-Length: 65\r\n\r\n",
		"by its chunks": "POST /containers/create HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n" + strings.Repeat(" ", 65),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(e *peerEnd) { e.expectEnd() }, func(s *Server) { s.BodyLimit = 64 })
			c := w.dial()
			c.send(request)
			c.expect("HTTP/1.1 413 Request Entity Too Large\r\n")
		})
	}
}

func TestAClientThatLeavesWithinABodyIsForgotten(t *testing.T) {
	for name, part := range map[string]string{
		"in a head":         "POST /containers/create HTTP/1.1\r\nHost:",
		"in a sized body":   "POST /containers/create HTTP/1.1\r\nHost: docker\r\nContent-Length: 400\r\n\r\n{",
		"in a chunked body": "POST /containers/create HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(e *peerEnd) { e.expectEnd() })
			c := w.dial()
			c.send(part[:1])
			w.awaitConnections(1)
			c.send(part[1:])
			c.Close()
			w.awaitConnections(0)
		})
	}
}

func TestAnUnwritableLogForwardsNothing(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Fatal(err)
	}
	full, err := OpenAudit("/dev/full")
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	w := newWorld(t, func(e *peerEnd) { e.expectEnd() }, func(s *Server) { s.Audit = full })
	c := w.dial()
	c.send(create(openBody))
	body := "{\"message\":\"safesock: the audit log cannot be written, so the call was not forwarded: write /dev/full: no space left on device\"}\n"
	c.expect(fmt.Sprintf("HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
}

func TestTheLogHasACallBeforeItIsForwardedAndItsAnswer(t *testing.T) {
	var before string
	w := newWorld(t, func(e *peerEnd) {
		e.expect(create(boundBody))
		before = e.w.auditLog()
		e.send(answer("201 Created", created))
	})
	c := w.dial()
	c.send(create(openBody))
	c.expect("HTTP/1.1 201 Created")
	lines := strings.SplitAfter(w.auditLog(), "\n")
	if len(lines) != 3 || lines[0] != before {
		t.Fatalf("got %q want two lines, the first of which was %q when the Engine had the call", lines, before)
	}
	var call struct {
		CallRecord
		Claims []struct{} `json:"claims"` // compared below, as they are written
	}
	var done AnswerRecord
	decode(t, lines[0], &call)
	decode(t, lines[1], &done)
	id := call.ID
	got := fmt.Sprintf("%s %s %s %s v%s uid %d %s %+v %+v\n%s %v %d %s", call.Record, call.Endpoint, call.Method, call.Path, call.Version,
		call.Client.UID, call.Client.Command, *call.Container, call.Compose, done.Record, done.ID == id, done.Status, done.Made)
	want := fmt.Sprintf("call container.create POST /containers/create v1.41 uid %d proxy.test {Name:web Image:web:1} <nil>\nanswer true 201 0123abcd", os.Getuid())
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	_, claims, _ := strings.Cut(lines[0], `"claims":`)
	wantClaims := `[{"kind":"port","claim":{"container":80,"protocol":"tcp","host":"1234","ip":"","bindable":true},` +
		`"pointer":"/HostConfig/PortBindings/80~1tcp/0","before":{"HostIp":"","HostPort":"1234"},"after":{"HostIp":"127.0.0.1","HostPort":"1234"},` +
		`"action":"bind","rule":"port \"unset goes to loopback\", built-in:LINE"}]}` + "\n"
	if got := line.ReplaceAllString(claims, "built-in:LINE"); got != wantClaims {
		t.Errorf("got\n%s\nwant\n%s", got, wantClaims)
	}
}

func decode(t *testing.T, line string, into any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(line))
	if err := d.Decode(into); err != nil {
		t.Errorf("%s: %v", line, err)
	}
}

func TestWhatAnAnswerHasNoPlaceForIsLogged(t *testing.T) {
	const body = `{"Name":"lan","Driver":"macvlan"}`
	request := fmt.Sprintf("POST /v1.41/networks/create HTTP/1.1\r\nHost: engine\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	var log strings.Builder // written to before the Engine has the call
	w := newWorld(t, func(e *peerEnd) {
		e.expect(request)
		e.send(answer("201 Created", `{"Id":"1","Warning":""}`))
	}, func(s *Server) {
		s.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "pid" || a.Key == "uid" {
				return slog.Attr{}
			}
			return a
		}}))
	})
	c := w.dial()
	c.send(request)
	c.expect(answer("201 Created", `{"Id":"1","Warning":""}`))
	want := `level=WARN msg="the network lan (macvlan) lets other hosts reach its containers without a published port (network \"any other way in\", built-in:LINE)" call="POST /networks/create"` + "\n"
	if got := line.ReplaceAllString(log.String(), "built-in:LINE"); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestARecordIsBoundedHoweverManyClaimsOneTextMakes(t *testing.T) {
	body := `{"Name":"v","DriverOpts":{"type":"overlay","device":"overlay","o":"lowerdir=` + strings.Repeat("/nowhere:", 3000) + `"}}`
	request := fmt.Sprintf("POST /v1.41/volumes/create HTTP/1.1\r\nHost: engine\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	w := newWorld(t, func(e *peerEnd) {
		e.expect(request)
		e.send(answer("201 Created", `{"Name":"v"}`))
	})
	c := w.dial()
	c.send(request)
	c.expect(answer("201 Created", `{"Name":"v"}`))
	log := w.auditLog()
	if said := strings.Count(log, `"left out: the record would be too long"`); len(log) > 2<<20 || said < 2900 || said == 3000 {
		t.Errorf("got %d bytes, in which %d texts are left out", len(log), said)
	}
}
