//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/safesock/safesock/tests/e2e/lab"
)

// engines runs a test on a lab of its own for each engine that speaks HTTP/2
// on its socket, or for each that does not.
func engines(t *testing.T, http2 bool, test func(t *testing.T, l *lab.Lab)) {
	enginesThat(t, func(k lab.Kind) bool { return k.HTTP2 == http2 }, test)
}

// exchange is a call and its whole answer: the status, the fields but for the
// time, the body and the trailers.
type exchange struct {
	Status  string
	Header  http.Header
	Body    string
	Trailer http.Header
}

func ask(t *testing.T, c *http.Client, method, target, contentType string, body io.Reader) exchange {
	t.Helper()
	call, err := http.NewRequestWithContext(t.Context(), method, "http://engine"+target, body)
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		call.Header.Set("Content-Type", contentType)
	}
	res, err := c.Do(call)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: after %q: %v", method, target, answer, err)
	}
	res.Header.Del("Date")
	return exchange{res.Proto + " " + res.Status, res.Header, string(answer), res.Trailer}
}

// onRecord waits until the audit log has these calls, each with the status of
// the Engine's answer if it has had one.
func onRecord(t *testing.T, l *lab.Lab, want ...string) {
	t.Helper()
	lab.Until(t, "the calls are on record", func() error {
		at, got := map[any]int{}, []string{}
		for _, r := range l.Audit(t) {
			if r["record"] == "call" {
				at[r["id"]] = len(got)
				got = append(got, fmt.Sprint(r["method"], " ", r["path"]))
			} else {
				got[at[r["id"]]] += fmt.Sprint(" ", r["status"])
			}
		}
		return unlessEqual(fmt.Sprintf("%q", got), fmt.Sprintf("%q", want))
	})
}

const (
	portWithoutAddress = `{"Image":"web:1","HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"1234"}]}}}`
	emptyMessage       = "\x00\x00\x00\x00\x00" // of gRPC
	buildKitInfo       = "/moby.buildkit.v1.Control/Info"
)

func TestHTTP2AnswersAreTheEngines(t *testing.T) {
	engines(t, true, func(t *testing.T, l *lab.Lab) {
		l.Serve(t)
		direct, guarded := l.HTTP2(t, l.Kind.Socket), l.HTTP2(t, lab.SafesockSocket)
		l.Docker(t, "run", "--name", "stopped", "web:1", "sh", "-c", "echo out; echo err >&2")
		id := l.Docker(t, "inspect", "--format", "{{.Id}}", "stopped") // as calls have it behind safesock
		for _, x := range []struct{ name, method, target, contentType, body string }{
			{"ping", "GET", "/_ping", "", ""},
			{"HEAD has no body", "HEAD", "/_ping", "", ""},
			{"version", "GET", "/version", "", ""},
			{"a version that is too new", "GET", "/v9.99/version", "", ""},
			{"a route that is not", "GET", "/no/such?route", "", ""},
			{"a container that is not", "GET", "/containers/missing/json", "", ""},
			{"an image that is not", "POST", "/containers/create", "application/json", `{"Image":"missing:1"}`},
			{"304", "POST", "/containers/stopped/stop", "", ""},
			{"logs", "GET", "/containers/stopped/logs?stdout=1&stderr=1&follow=1", "", ""},
			{"an archive", "GET", "/containers/stopped/archive?path=/bin/busybox", "", ""},
			{"no stream to attach to", "POST", "/containers/" + id + "/attach?stream=1&stdout=1", "", ""},
			{"BuildKit", "POST", buildKitInfo, "application/grpc", emptyMessage},
			{"a gRPC service that is not", "POST", "/missing.Service/Call", "application/grpc", emptyMessage},
		} {
			t.Run(x.name, func(t *testing.T) {
				want := ask(t, direct, x.method, x.target, x.contentType, strings.NewReader(x.body))
				got := ask(t, guarded, x.method, x.target, x.contentType, strings.NewReader(x.body))
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("-the Engine's, +safesock's:\n%s", diff)
				}
			})
		}
	})
}

func TestHTTP2CallsAreDecidedAndOnRecord(t *testing.T) {
	engines(t, true, func(t *testing.T, l *lab.Lab) {
		l.Serve(t)
		c := l.HTTP2(t, lab.SafesockSocket)
		made := ask(t, c, "POST", "/containers/create?name=one", "application/json", strings.NewReader(portWithoutAddress))
		if want := "80/tcp is published on 127.0.0.1:1234 instead of every interface"; made.Status != "HTTP/2.0 201 Created" || !strings.Contains(made.Body, want) {
			t.Errorf("create: got %v, want a warning that %s", made, want)
		}
		if got := ask(t, c, "POST", "/containers/one/start", "", nil).Status; got != "HTTP/2.0 204 No Content" {
			t.Errorf("start: got %s", got)
		}
		if got, want := l.Listening(t), []string{"127.0.0.1:1234/tcp"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		lab.Until(t, "web answers", func() error { _, err := l.ReachLocally("127.0.0.1:1234/tcp"); return err })
		if answer, err := l.Reach("192.0.2.1:1234/tcp"); err == nil {
			t.Errorf("the neighbour reaches it: %q", answer)
		}
		if got := ask(t, c, "POST", buildKitInfo, "application/grpc", strings.NewReader(emptyMessage)).Trailer.Get("Grpc-Status"); got != "0" {
			t.Errorf("BuildKit: got the status %q, want 0", got)
		}
		onRecord(t, l, "POST /containers/create 201", "POST /containers/one/start 204", "POST "+buildKitInfo+" 200")
	})
}

func TestHTTP2StreamsGoOnSideBySide(t *testing.T) {
	engines(t, true, func(t *testing.T, l *lab.Lab) {
		safesock := l.Serve(t)
		t.Cleanup(func() { // the client is gone then, though its events never end
			lab.Until(t, "safesock has no connection", func() error { return connections(safesock.Descriptors(t), 1) })
		})
		l.Docker(t, "run", "-d", "--name", "one", "web:1", "sh", "-c", "echo waiting; until test -e /tmp/go; do sleep 0.1; done; echo gone")
		atEngine := l.Connections(t, l.Kind.Socket)
		c := l.HTTP2(t, lab.SafesockSocket)
		open := func(method, target string) io.Reader {
			call, err := http.NewRequestWithContext(t.Context(), method, "http://engine"+target, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := c.Do(call)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { res.Body.Close() })
			return res.Body
		}
		logs := open("GET", "/containers/one/logs?follow=1&stdout=1")
		first := make([]byte, len(frame("waiting\n")))
		if _, err := io.ReadFull(logs, first); string(first) != frame("waiting\n") || err != nil {
			t.Fatalf("logs: got %q (%v)", first, err)
		}
		events := json.NewDecoder(open("GET", "/events?filters="+url.QueryEscape(`{"type":["container"],"event":["create","start","rename","destroy"]}`)))
		next := func(want string) {
			t.Helper()
			var event struct{ Action string }
			if err := events.Decode(&event); err != nil || event.Action != want {
				t.Errorf("got the event %q (%v), want %s", event.Action, err, want)
			}
		}

		// Fifty streams are open at once, and calls go on beside them.
		var waits [50]io.Reader
		var opened sync.WaitGroup
		for i := range waits {
			opened.Go(func() { waits[i] = open("POST", "/containers/one/wait") })
		}
		opened.Wait()
		for _, x := range []struct{ method, target, body, event string }{
			{"POST", "/containers/create?name=two", portWithoutAddress, "create"},
			{"POST", "/containers/two/start", "", "start"},
			{"POST", "/containers/two/rename?name=three", "", "rename"},
			{"DELETE", "/containers/three?force=1", "", "destroy"},
		} {
			if got := ask(t, c, x.method, x.target, "application/json", strings.NewReader(x.body)); !strings.HasPrefix(got.Status, "HTTP/2.0 20") {
				t.Errorf("%s: got %v", x.target, got)
			}
			next(x.event)
		}
		if got := l.Connections(t, l.Kind.Socket) - atEngine; got > 2 {
			t.Errorf("there are %d connections to the Engine, want one of the client's and one for safesock's own questions", got)
		}

		l.Docker(t, "exec", "one", "touch", "/tmp/go")
		for i, wait := range waits {
			var answer struct{ StatusCode *int }
			if err := json.NewDecoder(wait).Decode(&answer); err != nil || answer.StatusCode == nil || *answer.StatusCode != 0 {
				t.Errorf("wait %d: got %v (%v)", i, answer.StatusCode, err)
			}
		}
		if rest, err := io.ReadAll(logs); string(rest) != frame("gone\n") || err != nil {
			t.Errorf("logs: got %q (%v), want %q", rest, err, frame("gone\n"))
		}
	})
}

func TestHTTP2CarriesImagesBothWays(t *testing.T) {
	engines(t, true, func(t *testing.T, l *lab.Lab) {
		l.Serve(t)
		l.Import(t, "up:1", `CMD ["echo", "it runs"]`)
		inspect := func() string { return l.Docker(t, "image", "inspect", "--format", "{{.Id}}", "up:1") }
		id, saved := inspect(), filepath.Join(l.Dir, "saved.tar")
		l.Docker(t, "save", "-o", saved, "up:1")
		want, err := os.ReadFile(saved)
		if err != nil {
			t.Fatal(err)
		}
		c := l.HTTP2(t, lab.SafesockSocket)
		for name, body := range map[string]io.Reader{
			"of a length that is told": bytes.NewReader(want),
			"of no known length":       bufio.NewReader(bytes.NewReader(want)),
		} {
			l.Docker(t, "rmi", "up:1")
			if got := ask(t, c, "POST", "/images/load?quiet=1", "application/x-tar", body); !strings.Contains(got.Body, "Loaded image: up:1") {
				t.Errorf("an image %s: got %v", name, got)
			}
			if got := inspect(); got != id {
				t.Errorf("an image %s: got %s, want %s", name, got, id)
			}
		}
		if got := l.Docker(t, "run", "--rm", "up:1"); got != "it runs" {
			t.Errorf("got %q", got)
		}
		l.Docker(t, "save", "-o", saved, "up:1")
		if want, err = os.ReadFile(saved); err != nil {
			t.Fatal(err)
		}
		got := ask(t, c, "GET", "/images/up:1/get", "", nil)
		if got, want := sha256.Sum256([]byte(got.Body)), sha256.Sum256(want); got != want {
			t.Errorf("the image that comes back has the digest %x, want %x", got, want)
		}
	})
}

func TestHTTP2CallsThatAPolicyForCIRefusesMakeNothing(t *testing.T) {
	engines(t, true, func(t *testing.T, l *lab.Lab) {
		l.Serve(t, "--policy", l.CopyPolicy(t, "../../examples/ci.hcl"))
		c := l.HTTP2(t, lab.SafesockSocket)
		for _, x := range []struct{ name, contentType, target, body, status, grpc, says string }{
			{"a privileged container", "application/json", "/containers/create?name=bad", `{"Image":"web:1","HostConfig":{"Privileged":true}}`, "403 Forbidden", "", "jobs run without privileges"},
			{"the host's network", "application/json", "/containers/create?name=bad", `{"Image":"web:1","HostConfig":{"NetworkMode":"host"}}`, "403 Forbidden", "", "publish the port instead"},
			{"a body of another type", "text/plain; form", "/containers/create?name=bad", portWithoutAddress, "415 Unsupported Media Type", "", "send application/json"},
			{"BuildKit", "application/grpc", buildKitInfo, emptyMessage, "200 OK", "7", "build with DOCKER_BUILDKIT=0"},
			{"a gRPC service that is not", "application/grpc", "/missing.Service/Call", emptyMessage, "200 OK", "7", "build with DOCKER_BUILDKIT=0"},
			// No call of any endpoint, so that it is not on record.
			{"a create as gRPC", "application/grpc", "/containers/create?name=bad", portWithoutAddress, "200 OK", "3", "is no gRPC"},
		} {
			got := ask(t, c, "POST", x.target, x.contentType, strings.NewReader(x.body))
			said, err := url.PathUnescape(got.Body + got.Header.Get("Grpc-Message"))
			if got.Status != "HTTP/2.0 "+x.status || got.Header.Get("Grpc-Status") != x.grpc || !strings.Contains(said, x.says) || err != nil {
				t.Errorf("%s: got %v (%v), want %s %s %q", x.name, got, err, x.status, x.grpc, x.says)
			}
		}
		if got := l.Docker(t, "ps", "-aq"); got != "" {
			t.Errorf("there is a container: %s", got)
		}
		if got := ask(t, c, "GET", "/_ping", "", nil); got.Body != "OK" {
			t.Errorf("after the refusals: got %v", got)
		}
		onRecord(t, l, "POST /containers/create", "POST /containers/create", "POST /containers/create", "POST "+buildKitInfo, "POST /missing.Service/Call", "GET /_ping 200")
	})
}

func TestHTTP2IsRefusedInFrontOfAnEngineWithoutIt(t *testing.T) {
	const prefaceHead = "PRI * HTTP/2.0\r\n\r\n" // RFC 9113, 3.4
	create := fmt.Sprintf("POST /containers/create HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(portWithoutAddress), portWithoutAddress)
	engines(t, false, func(t *testing.T, l *lab.Lab) {
		safesock := l.Serve(t)
		for _, x := range []struct{ request, says string }{
			{prefaceHead + "SM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "the Engine at " + l.Kind.Socket + " does not speak HTTP/2; use HTTP/1.1"},
			{prefaceHead + create, "only HTTP/1.0, HTTP/1.1 and HTTP/2 are understood"},
		} {
			body := `{"message":"safesock: ` + x.says + "\"}\n"
			want := fmt.Sprintf("HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
			if got, err := l.Exchange(lab.SafesockSocket, x.request); got != want || err != nil {
				t.Errorf("%q: got %q (%v), want %q", x.request, got, err, want)
			}
		}
		for _, socket := range []string{l.Kind.Socket, lab.SafesockSocket} {
			if res, err := l.HTTP2(t, socket).Get("http://engine/_ping"); err == nil {
				res.Body.Close()
				t.Errorf("%s answers %s over HTTP/2", socket, res.Status)
			}
		}
		if got := l.Docker(t, "ps", "-aq"); got != "" {
			t.Errorf("there is a container: %s", got)
		}
		l.DockerAt(t, lab.SafesockSocket, "version")
		lab.Until(t, "safesock has closed what was refused", func() error { return connections(safesock.Descriptors(t), 1) })
	})
}
