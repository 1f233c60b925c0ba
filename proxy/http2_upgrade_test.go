package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const (
	upgrade  = "POST /v1.41/grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
	upgraded = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
)

// noBuildKit is a policy under which builds use the classic builder.
const noBuildKit = `privilege "no BuildKit" {
  when    = privilege.name == "buildkit"
  action  = "deny"
  message = "build with DOCKER_BUILDKIT=0"
}`

// upgradable returns what an Engine does that makes the upgrade of POST /grpc, and
// speaks HTTP/2 from then on.
func upgradable(t *testing.T, answer http.HandlerFunc) func(*peerEnd) {
	speak := http2Engine(t, answer)
	return func(e *peerEnd) {
		e.expect(upgrade)
		e.send(upgraded)
		speak(e)
	}
}

func TestCallsOverAnUpgradeAreDecidedOneByOne(t *testing.T) {
	w := newWorld(t, upgradable(t, func(a http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		a.Header().Set("Content-Type", "application/grpc")
		a.Header().Set("Trailer", "Grpc-Status")
		fmt.Fprintf(a, "%s %s %q", r.Header.Get("Buildkit-Controlapi-Buildid"), r.URL.Path, body)
		a.Header().Set("Grpc-Status", "0")
	}))
	w.setPolicy(`privilege "the Engine's own frontend" {
  when   = privilege.name == "frontend" && privilege.replaceable
  action = "replace"
}
privilege "no containers" {
  when   = privilege.name == "build_exec"
  action = "deny"
}`)
	conn := w.dial()
	conn.send(upgrade)
	conn.expect(upgraded)
	c := over(t, conn)
	const bridge = "/moby.buildkit.v1.frontend.LLBBridge/"
	for _, test := range []struct{ method, body, want string }{
		{"Ping", "\x00\x00\x00\x00\x00", `[0] r1 ` + bridge + `Ping "\x00\x00\x00\x00\x00"`},
		{"Solve", "\x00\x00\x00\x00\x0f\x12\x0ddockerfile.v0", `[0] r1 ` + bridge + `Solve "\x00\x00\x00\x00\x1c\x12\rdockerfile.v0\x1a\v\n\acmdline\x12\x00"`},
		{"NewContainer", "\x00\x00\x00\x00\x00", `[7] `},
		{"Solve", "\x00\x00\x00\x00\x02\x12\x05", `[3] `},
		{"Ping", "\x00\x00\x00\x00\x00", `[0] r1 ` + bridge + `Ping "\x00\x00\x00\x00\x00"`},
	} {
		header := http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "Buildkit-Controlapi-Buildid": {"r1"}}
		answer, body := answered(t, c, call(t, "POST", bridge+test.method, strings.NewReader(test.body), header))
		status := append(answer.Trailer["Grpc-Status"], answer.Header["Grpc-Status"]...)
		if got := fmt.Sprint(status, " ", body); got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.method, got, test.want)
		}
	}
	c.Close()
	w.awaitConnections(0)
	noneLeft(t)
}

func TestAnUpgradeThatTheEngineRefusesIsRefused(t *testing.T) {
	w := newWorld(t, func(e *peerEnd) {
		e.expect(upgrade)
		e.send(notFound)
		e.expect(ping)
		e.send(okText)
		e.expectEnd()
	})
	c := w.dial()
	c.send(upgrade)
	c.expect(notFound)
	c.send(ping)
	c.expect(okText)
}

func TestCallsOverARefusedUpgradeGetTheReason(t *testing.T) {
	for name, before := range map[string]string{"at once": "", "after other calls": ping} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(e *peerEnd) {
				e.expect(before)
				e.send(okText)
				e.expectEnd()
			})
			w.setPolicy(noBuildKit)
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
				want := `200 [application/grpc] [7]safesock: buildkit grpc may not be granted (privilege "no BuildKit", test.hcl:1); build with DOCKER_BUILDKIT=0<nil>`
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
			w.setPolicy(noBuildKit)
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
	w.setPolicy(noBuildKit)
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
