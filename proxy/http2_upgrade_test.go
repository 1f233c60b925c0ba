package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

const (
	upgrade  = "POST /v1.41/grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
	upgraded = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
)

func TestCallsOverARefusedUpgradeGetTheReason(t *testing.T) {
	for name, before := range map[string]string{"at once": "", "after other calls": ping} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(e *peerEnd) {
				e.expect(before)
				e.send(okText)
				e.expectEnd()
			})
			w.setExample("ci.hcl")
			conn := w.dial()
			if before != "" {
				conn.send(before)
				conn.expect(okText)
			}
			conn.send(upgrade)
			conn.expect(upgraded)
			c := over(t, conn)
			for _, target := range []string{"/moby.buildkit.v1.Control/ListWorkers", "/moby.buildkit.v1.Control/Solve"} {
				r := call(t, "POST", target, strings.NewReader("\x00\x00\x00\x00\x00"), http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}})
				answer, body := answered(t, c, r)
				message, err := url.PathUnescape(answer.Header.Get("Grpc-Message"))
				got := fmt.Sprint(answer.StatusCode, answer.Header["Content-Type"], answer.Header["Grpc-Status"], message, body, err)
				got = regexp.MustCompile(`ci\.hcl:\d+`).ReplaceAllString(got, "ci.hcl:LINE")
				want := `200 [application/grpc] [7]safesock: buildkit grpc may not be granted (privilege "no BuildKit", ci.hcl:LINE); build with DOCKER_BUILDKIT=0<nil>`
				if got != want {
					t.Errorf("%s: got\n%s\nwant\n%s", target, got, want)
				}
			}
			answer, _ := answered(t, c, call(t, "POST", "/containers/create", strings.NewReader(openBody), nil))
			if answer.StatusCode != http.StatusForbidden {
				t.Errorf("a create: got %s, want 403", answer.Status)
			}
			c.Close()
			w.awaitConnections(0)
			noneLeft(t)
			if log := w.auditLog(); strings.Count(log, "may not be granted") != 1 {
				t.Errorf("want one record of a refusal, got\n%s", log)
			}
		})
	}
}

func TestAnotherUpgradeIsRefusedAtOnce(t *testing.T) {
	for name, request := range map[string]string{
		"none":         "POST /grpc HTTP/1.1\r\nHost: docker\r\n\r\n",
		"another":      "POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"with a body":  "POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
		"with chunks":  "POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"of a session": "POST /session HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(e *peerEnd) { t.Error("the Engine was asked") })
			w.setPolicy(`api "nothing" { action = "deny" }`)
			c := w.dial()
			c.send(request)
			c.expect("HTTP/1.1 403 Forbidden\r\n")
		})
	}
}

func TestNothingButHTTP2IsReadAfterARefusedUpgrade(t *testing.T) {
	for name, rest := range map[string]string{"a ping": ping, "a preface in part": prefaceHead + ping, "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(e *peerEnd) { t.Error("the Engine was asked") })
			w.setExample("ci.hcl")
			c := w.dial()
			c.send(upgrade + rest)
			c.expect(upgraded)
			c.closeWrite()
			if got, err := io.ReadAll(c); strings.Contains(string(got), "OK") || err != nil {
				t.Errorf("got %q (%v)", got, err)
			}
			w.awaitConnections(0)
			noneLeft(t)
		})
	}
}

func TestServingEndsWithARefusedUpgrade(t *testing.T) {
	w := newWorld(t, func(e *peerEnd) { t.Error("the Engine was asked") })
	w.setExample("ci.hcl")
	silent, conn := w.dial(), w.dial()
	silent.send(upgrade)
	silent.expect(upgraded)
	conn.send(upgrade)
	conn.expect(upgraded)
	c := over(t, conn)
	answered(t, c, call(t, "POST", "/moby.buildkit.v1.Control/Solve", nil, http.Header{"Content-Type": {"application/grpc"}}))
	silent.Close()
	w.stop()
	if err := w.awaitStop(); err != nil {
		t.Error(err)
	}
	noneLeft(t)
}
