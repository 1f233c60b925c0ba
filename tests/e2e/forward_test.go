//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/safesock/safesock/tests/e2e/lab"
)

// waitForEnd is a request behind others that start the container.
const waitForEnd = "POST /v1.41/containers/stopped/wait HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"

// exchanges are requests as clients send them, odd ones among them. The
// Engine's last answer closes the connection.
var exchanges = []struct{ name, request string }{
	{"ping", "GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"},
	{"HEAD has no body", "HEAD /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"},
	{"HTTP/1.0", "GET /v1.41/version HTTP/1.0\r\n\r\n"},
	{"empty Host, odd case, blanks around values", "GET /v1.41/version HTTP/1.1\r\nhOsT:\r\nX-Odd: \t b  \r\ncOnNeCtIoN:close\r\n\r\n"},
	{"a version that is too old", "GET /v1.1/version HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"},
	{"a version that is too new", "GET /v9.99/version HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"},
	{"a route that is not", "GET /v1.41/no/such?route HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"},
	{"a method that is not", "BREW /v1.41/version HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"},
	{"a container that is not", "GET /v1.41/containers/missing/json HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"},
	{"a slash in a name", "GET /v1.41/images/deep/er%2Fname:1.0/json HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"},
	{"escapes in a query", "GET /v1.41/containers/json?all=1&filters=%7B%22label%22%3A%7B%22a%3Db%3Bc%26d%22%3Atrue%7D%7D HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"},
	{"a query twice, with plus and empty parts", "GET /v1.41/containers/json?all=0&&all=1&limit=+1 HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"},
	{"a body of a known length", "POST /v1.41/volumes/create HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: 15\r\nConnection: close\r\n\r\n" + `{"Name":"kept"}`},
	{"chunks with trailers", "POST /v1.41/volumes/create HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: close\r\n\r\n" +
		"8\r\n{\"Name\":\r\n007\r\n\"kept\"}\r\n0\r\nX-Sum: 12\r\n\r\n"},
	{"Expect: 100-continue", "POST /v1.41/volumes/create HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 15\r\nConnection: close\r\n\r\n" + `{"Name":"kept"}`},
	{"204", "POST /v1.41/containers/stopped/rename?name=stopped2 HTTP/1.1\r\nHost: docker\r\n\r\n" +
		"POST /v1.41/containers/stopped2/rename?name=stopped HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"},
	{"304", "POST /v1.41/containers/stopped/stop HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
	{"a stream with its end", "GET /v1.41/containers/stopped/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"},
	{"an archive", "GET /v1.41/containers/stopped/archive?path=/bin/busybox HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"},
	{"three at once", "GET /v1.41/images/web:1/json HTTP/1.1\r\nHost: docker\r\n\r\n" +
		"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n" +
		"GET /v1.41/networks/none HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"},
	{"an exec that fails, and a call behind it", "POST /v1.41/exec/missing/start HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n{}" +
		"GET /v1.41/networks/none HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"},
	{"a session of an unknown protocol", "POST /session HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: carrier-pigeon\r\n\r\n" +
		"GET /v1.41/networks/none HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"},
	{"a restart with a form, as curl -d sends it", "POST /v1.41/containers/stopped/restart HTTP/1.1\r\nHost: docker\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\nt=0" + waitForEnd},
	{"a start with a form of two bytes", "POST /v1.41/containers/stopped/start HTTP/1.1\r\nHost: docker\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 2\r\n\r\n{}" + waitForEnd},
	{"a start with a form that it does not take", "POST /v1.41/containers/stopped/start HTTP/1.1\r\nHost: docker\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 12\r\n\r\ndetachKeys=a" + waitForEnd},
	{"an import with a form", "POST /v1.41/images/create HTTP/1.1\r\nHost: docker\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 43\r\nConnection: close\r\n\r\nrepo=imported&fromSrc=http://127.0.0.1:1/a\n"},
	{"a create with a form", "POST /v1.41/containers/create HTTP/1.1\r\nHost: docker\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\nConnection: close\r\n\r\nImage=web"},
	{"a malformed Host", "POST /v1.41/volumes/create HTTP/1.1\r\nHost: a b\r\nContent-Type: application/json\r\nContent-Length: 15\r\nConnection: close\r\n\r\n" + `{"Name":"kept"}`},
	{"no Host", "POST /v1.41/volumes/create HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 15\r\nConnection: close\r\n\r\n" + `{"Name":"kept"}`},
	{"two Hosts", "POST /v1.41/volumes/create HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Type: application/json\r\nContent-Length: 15\r\nConnection: close\r\n\r\n" + `{"Name":"kept"}`},
	{"lines that end in a bare line feed", "GET /v1.41/version HTTP/1.1\nHost: docker\nConnection: close\n\n"},
	{"a head that ends in a bare line feed", "GET /v1.41/version HTTP/1.0\r\n\n"},
	{"an intercepted head with bare line feeds", "POST /v1.41/volumes/create HTTP/1.1\nHost: docker\nContent-Type: application/json\nContent-Length: 15\nConnection: close\n\n" + `{"Name":"kept"}`},
	{"a GET with a body", "GET /v1.41/networks/none HTTP/1.1\r\nHost: docker\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"},
}

func TestTheEnginesAnswersArriveAsItGaveThem(t *testing.T) {
	everyEngine(t, func(t *testing.T, l *lab.Lab) {
		l.Docker(t, "tag", "web:1", "deep/er/name:1.0")
		l.Docker(t, "volume", "create", "kept")
		l.Docker(t, "run", "--name", "stopped", "web:1", "sh", "-c", "echo out; echo err >&2")
		l.Serve(t)
		for _, x := range exchanges {
			t.Run(x.name, func(t *testing.T) {
				want, err := l.Exchange(l.Kind.Socket, x.request)
				if err != nil {
					t.Fatalf("without safesock: %v", err)
				}
				got, err := l.Exchange(lab.SafesockSocket, x.request)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := repeatable(t, got), repeatable(t, want); got != want {
					t.Errorf("got\n%s\nwant\n%s", shown(got), shown(want))
				}
			})
		}
	})
}

var once = regexp.MustCompile(`(?m)^(Date|X-Reference-Id): .*\r\n`)

// repeatable is an answer without what is never the same twice: the time,
// Podman's number for it, and where the Engine cuts a stream into chunks.
func repeatable(t *testing.T, answer string) string {
	t.Helper()
	head, body, _ := strings.Cut(answer, "\r\n\r\n")
	if !strings.Contains(head, "Transfer-Encoding: chunked") {
		return once.ReplaceAllString(answer, "$1: …\r\n")
	}
	whole, err := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(body)))
	if err != nil {
		t.Fatalf("%s: %v", shown(answer), err)
	}
	return once.ReplaceAllString(head+"\r\n\r\n", "$1: …\r\n") + string(whole)
}

func shown(answer string) string {
	if len(answer) > 2000 {
		return answer[:2000] + "…"
	}
	return answer
}

// frame is how the Engine sends a container's standard output.
func frame(text string) string {
	return "\x01\x00\x00\x00\x00\x00\x00" + string(rune(len(text))) + text
}

var hijacks = []struct {
	name    string
	headers string // of attach and exec start
	early   bool   // input is sent together with the request
	status  string
}{
	{"with an Upgrade", "Connection: Upgrade\r\nUpgrade: tcp\r\n", false, "HTTP/1.1 101 UPGRADED\r\n"},
	{"as of old, without one", "", false, "HTTP/1.1 200 OK\r\n"},
	{"with input before the answer", "Connection: Upgrade\r\nUpgrade: tcp\r\n", true, "HTTP/1.1 101 UPGRADED\r\n"},
}

func TestHijackedStreamsRunBothWaysToTheirEnds(t *testing.T) {
	everyEngine(t, func(t *testing.T, l *lab.Lab) {
		l.Serve(t)
		l.Docker(t, "run", "-d", "--name", "running", "web:1")
		for _, h := range hijacks {
			t.Run("attach "+h.name, func(t *testing.T) {
				id := l.Docker(t, "create", "-i", "web:1", "cat")
				converse(t, l, h.status, h.early, "POST /v1.41/containers/"+id+"/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: docker\r\n"+h.headers+"Content-Length: 0\r\n\r\n",
					func() { l.DockerAt(t, lab.SafesockSocket, "start", id) })
			})
			t.Run("exec "+h.name, func(t *testing.T) {
				body := `{"Cmd":["cat"],"AttachStdin":true,"AttachStdout":true}`
				res, err := l.HTTP(lab.SafesockSocket).Post("http://docker/v1.41/containers/running/exec", "application/json", strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				var exec struct{ ID string }
				if err := json.NewDecoder(res.Body).Decode(&exec); err != nil {
					t.Fatal(err)
				}
				converse(t, l, h.status, h.early, "POST /v1.41/exec/"+exec.ID+"/start HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"+h.headers+"Content-Length: 28\r\n\r\n"+`{"Detach":false,"Tty":false}`,
					func() {})
			})
		}
	})
}

// converse opens a stream to cat, and talks to it until it ends.
func converse(t *testing.T, l *lab.Lab, status string, early bool, request string, start func()) {
	t.Helper()
	c := l.Open(t, lab.SafesockSocket)
	if early {
		request += "hello\n"
	}
	c.Send(t, request)
	if head := c.Head(t); !strings.HasPrefix(head, status) {
		t.Fatalf("got %q, want %q", head, status)
	}
	start()
	if !early {
		c.Send(t, "hello\n")
	}
	reply := make([]byte, len(frame("hello\n")))
	if _, err := io.ReadFull(c, reply); err != nil || string(reply) != frame("hello\n") {
		t.Fatalf("got %q (%v), want %q", reply, err, frame("hello\n"))
	}
	// The end of the input is an end of one direction only.
	c.Send(t, "bye\n")
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, want := c.Rest(t), frame("bye\n"); got != want {
		t.Errorf("after the input's end: got %q, want %q", got, want)
	}
}

// The Engine answers before it has read such an upload, and reads no further.
func TestWhatTheEngineSaysOfAnUploadThatItDoesNotWantIsRead(t *testing.T) {
	everyEngine(t, func(t *testing.T, l *lab.Lab) {
		l.Serve(t)
		const blob = "/srv/blob"
		if err := os.MkdirAll(l.Path("/srv"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(l.Path(blob), []byte(strings.Repeat("no archive ", 1000)), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(l.Path(blob), 200<<20); err != nil {
			t.Fatal(err)
		}
		l.Docker(t, "create", "--name", "ro", "--read-only", "web:1")
		for _, command := range []string{"load -i " + blob, "import " + blob, "cp " + blob + " ro:/"} {
			said := func(socket string) string {
				// Podman takes the file into a container that is read-only.
				out, _ := l.Command("", append([]string{"docker", "--host", "unix://" + socket}, strings.Fields(command)...)...).CombinedOutput()
				lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(out)), "\n"), func(line string) bool {
					return strings.HasPrefix(line, "time=") // cp's own, before or after the Engine's
				})
				return regexp.MustCompile(`[0-9a-f]{12,}|[0-9]+`).ReplaceAllString(strings.Join(lines, "\n"), "N")
			}
			want := said(l.Kind.Socket)
			for range 12 {
				if got := said(lab.SafesockSocket); got != want {
					t.Errorf("docker %s: got %q want %q", command, got, want)
				}
			}
		}
	})
}

// Such a list comes as one chunk and the end of the body, in reads of any size.
func TestALongListIsReadAgainAndAgainOnOneConnection(t *testing.T) {
	everyEngine(t, func(t *testing.T, l *lab.Lab) {
		l.Serve(t)
		label := "filler=" + strings.Repeat("x", 1000)
		for range 18 {
			l.Docker(t, "create", "--label", label, "web:1")
		}
		c := l.Open(t, lab.SafesockSocket)
		answers := bufio.NewReader(c)
		for range 200 {
			c.Send(t, "GET /v1.41/containers/json?all=1 HTTP/1.1\r\nHost: docker\r\n\r\n")
			res, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			var list []struct{ Id string }
			if err := json.NewDecoder(res.Body).Decode(&list); err != nil || len(list) != 18 {
				t.Fatalf("got %d containers (%v), want 18", len(list), err)
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestEventsArriveAsTheyHappen(t *testing.T) {
	everyEngine(t, func(t *testing.T, l *lab.Lab) {
		l.Serve(t)
		res, err := l.HTTP(lab.SafesockSocket).Get(`http://docker/v1.41/events?filters={"type":["container"]}`)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		events := bufio.NewReader(res.Body)
		next := func() string {
			for {
				line, err := events.ReadBytes('\n')
				if err != nil {
					t.Fatal(err)
				}
				var event struct{ Action string }
				if err := json.Unmarshal(line, &event); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				if event.Action != "init" { // which is Podman's alone
					return event.Action
				}
			}
		}
		for _, step := range []struct{ command, event string }{
			{"create --name one web:1", "create"},
			{"start one", "start"},
			{"pause one", "pause"},
			{"unpause one", "unpause"},
			{"rename one two", "rename"},
		} {
			l.DockerAt(t, lab.SafesockSocket, strings.Fields(step.command)...)
			if got := next(); got != step.event {
				t.Errorf("after %q: got %q, want %q", step.command, got, step.event)
			}
		}
	})
}

func TestAClientThatGoesAwayEndsTheEnginesStream(t *testing.T) {
	everyEngine(t, func(t *testing.T, l *lab.Lab) {
		l.Docker(t, "run", "-d", "--name", "one", "web:1")
		safesock := l.Serve(t)
		for _, stream := range []struct {
			request string
			keeps   bool // the Engine keeps its own end as long as it has nothing to write
		}{
			{"GET /v1.41/events HTTP/1.1\r\nHost: docker\r\n\r\n", false},
			{"GET /v1.41/containers/one/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: docker\r\n\r\n", false},
			{"GET /v1.41/containers/one/stats?stream=1 HTTP/1.1\r\nHost: docker\r\n\r\n", false},
			{"POST /v1.41/containers/one/wait HTTP/1.1\r\nHost: docker\r\n\r\n", false},
			{"POST /v1.41/containers/one/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", true},
		} {
			lab.Until(t, "safesock has no connection", func() error { return connections(safesock.Descriptors(t), 1) })
			atEngine := l.Connections(t, l.Kind.Socket)
			c := l.Open(t, lab.SafesockSocket)
			c.Send(t, stream.request)
			c.Head(t)
			if got := l.Connections(t, l.Kind.Socket); got <= atEngine {
				t.Errorf("%q: got %d connections to the Engine, want more than %d", stream.request, got, atEngine)
			}
			c.Close()
			lab.Until(t, "safesock has closed both its ends", func() error { return connections(safesock.Descriptors(t), 1) })
			if !stream.keeps {
				lab.Until(t, "the Engine's connection is closed", func() error { return unlessEqual(l.Connections(t, l.Kind.Socket), atEngine) })
			}
		}
	})
}

// A client that reads until its connection is closed would wait for ever.
func TestARefusalLeavesTheConnectionAsTheClientWantsIt(t *testing.T) {
	const (
		create = `{"Image":"web:1","HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"1234"}]}}}`
		length = "Content-Type: application/json\r\nContent-Length: 80\r\n"
		after  = "GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"
	)
	everyEngine(t, func(t *testing.T, l *lab.Lab) {
		file := filepath.Join(l.Dir, "nothing.hcl")
		if err := os.WriteFile(file, []byte(`port "nothing" { action = "deny" }`), 0o644); err != nil {
			t.Fatal(err)
		}
		l.Serve(t, "--policy", file)
		for _, x := range []struct {
			name, request string
			answers       []string
		}{
			{"kept", "POST /v1.41/containers/create HTTP/1.1\r\nHost: docker\r\n" + length + "\r\n" + create + after, []string{"403", "200"}},
			{"closed", "POST /v1.41/containers/create HTTP/1.1\r\nHost: docker\r\n" + length + "Connection: close\r\n\r\n" + create, []string{"403"}},
			{"closed behind a stream that is not", "POST /v1.41/containers/missing/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n" + after, []string{"404"}},
			{"HTTP/1.0", "POST /v1.41/containers/create HTTP/1.0\r\n" + length + "\r\n" + create, []string{"403"}},
		} {
			t.Run(x.name, func(t *testing.T) {
				answer, err := l.Exchange(lab.SafesockSocket, x.request)
				if err != nil {
					t.Fatalf("after %q: %v", answer, err)
				}
				var got []string
				for _, status := range regexp.MustCompile(`(?m)^HTTP/1\.[01] (\d+)`).FindAllStringSubmatch(answer, -1) {
					got = append(got, status[1])
				}
				if !slices.Equal(got, x.answers) {
					t.Errorf("got %v, want %v, in\n%s", got, x.answers, answer)
				}
			})
		}
	})
}

func TestAnEngineThatGoesAwayEndsTheClientsStreams(t *testing.T) {
	everyEngine(t, func(t *testing.T, l *lab.Lab) {
		l.Serve(t)
		stream := "events"
		if l.Kind.Podman() { // where events begin with the first of them, and containers outlive the Engine
			l.Docker(t, "run", "-d", "--name", "one", "web:1")
			stream = "containers/one/logs?follow=1&stdout=1"
		}
		quiet, err := l.HTTP(lab.SafesockSocket).Get("http://docker/v1.41/" + stream)
		if err != nil {
			t.Fatal(err)
		}
		defer quiet.Body.Close()
		if quiet.StatusCode != http.StatusOK {
			t.Fatal(quiet.Status)
		}
		l.StopEngine(t)
		if _, err := io.Copy(io.Discard, quiet.Body); err != nil && err != io.ErrUnexpectedEOF {
			t.Errorf("the stream ends with %v", err)
		}

		res, err := l.HTTP(lab.SafesockSocket).Get("http://docker/v1.41/version")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var said struct{ Message string }
		if err := json.NewDecoder(res.Body).Decode(&said); err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusBadGateway || !strings.Contains(said.Message, l.Kind.Socket) {
			t.Errorf("got %s %q, want 502 and a message that names %s", res.Status, said.Message, l.Kind.Socket)
		}
		l.StartEngine(t)
		l.DockerAt(t, lab.SafesockSocket, "version")
	})
}
