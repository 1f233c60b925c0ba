package proxy

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheSocketHasItsModeAndIsRemovedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "er", "docker.sock")
	l, err := Listen(path, 0o620, "")
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o620 {
		t.Errorf("got %v (%v) want a socket of mode 0620", info.Mode(), err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there (%v)", err)
	}
}

func TestAStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "docker.sock")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	l, err := Listen(path, 0o600, "")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestASocketThatIsTakenIsRefused(t *testing.T) {
	dir := t.TempDir()
	ours, err := Listen(filepath.Join(dir, "ours.sock"), 0o600, "")
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	theirs, err := net.Listen("unix", filepath.Join(dir, "theirs.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"ours.sock":   "another safesock serves this socket; stop it, or choose another path with --listen",
		"theirs.sock": "another process serves this socket; stop it, or choose another path with --listen",
		"file":        "is there and is not a socket; remove it, or choose another path with --listen",
	} {
		_, err := Listen(filepath.Join(dir, name), 0o600, "")
		if err == nil || !strings.HasSuffix(err.Error(), name+": "+want) {
			t.Errorf("%s: got %v want %s", name, err, want)
		}
	}
}

func TestAGroupThatIsNotThereIsRefused(t *testing.T) {
	_, err := Listen(filepath.Join(t.TempDir(), "docker.sock"), 0o600, "no such group")
	if err == nil || err.Error() != "group: unknown group no such group" {
		t.Errorf("got %v", err)
	}
}

func TestTheEndOfServingWaitsForOpenExchanges(t *testing.T) {
	const slow = "GET /slow HTTP/1.1\r\nHost: docker\r\n\r\n"
	asked, goOn := make(chan bool), make(chan bool)
	w := newWorld(t, func(e *peerEnd) {
		if first, _ := e.in.Peek(len("GET /slow")); string(first) == "GET /slow" {
			e.expect(slow)
			asked <- true
			<-goOn
		} else {
			e.expect(ping)
		}
		e.send(okText)
		e.expectEnd()
	})
	busyClient, idleClient := w.dial(), w.dial()
	busyClient.send(slow)
	<-asked
	idleClient.send(ping)
	idleClient.expect(okText)
	w.stop()
	idleClient.expectEnd()
	if _, err := net.Dial("unix", w.socket); err == nil {
		t.Error("a client is still accepted")
	}
	goOn <- true
	busyClient.expect(okText)
	busyClient.expectEnd()
	if err := w.awaitStop(); err != nil {
		t.Error(err)
	}
}

func TestTheEndOfServingWaitsForACallThatIsRefused(t *testing.T) {
	w := newWorld(t, func(e *peerEnd) {
		e.expect(ping)
		e.send(okText)
		e.expectEnd()
	})
	w.setPolicy(`port "none" { action = "deny" }`)
	c := w.dial()
	c.send(ping)
	c.expect(okText)
	begun := len(create(openBody)) - 1
	awaitPhase := func(phase int32) {
		w.server.each(func(c session) {
			for c.(*connection).phase.Load() != phase {
				time.Sleep(time.Millisecond)
			}
		})
	}
	awaitPhase(idle) // the ping is over
	c.send(create(openBody)[:begun])
	awaitPhase(busy)
	w.stop()
	for !w.server.draining.Load() {
		time.Sleep(time.Millisecond)
	}
	c.send(create(openBody)[begun:])
	c.expectAnswer(`403 safesock: 80/tcp may not be published on every interface (port "none", test.hcl:1); to allow it, put a rule before that one`)
	c.expectEnd()
	if err := w.awaitStop(); err != nil {
		t.Error(err)
	}
}

func TestExchangesThatDoNotEndAreCut(t *testing.T) {
	w := newWorld(t, func(e *peerEnd) {
		e.expect(execStart)
		e.send(switched)
		e.expectEnd()
	}, func(s *Server) { s.Drain = 1 })
	c := w.dial()
	c.send(execStart)
	c.expect(switched)
	w.stop()
	c.expectEnd()
	if err := w.awaitStop(); err != nil {
		t.Error(err)
	}
}
