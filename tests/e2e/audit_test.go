//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/safesock/safesock/tests/e2e/lab"
)

func unlessEqual[T comparable](got, want T) error {
	if got != want {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}

// wantAudit is what a docker run leaves in the log, but for what differs from run to run.
const wantAudit = `[
  {
    "record": "call", "endpoint": "container.create", "method": "POST", "path": "/containers/create",
    "client": {"uid": 0, "user": "root", "gid": 0, "command": "docker"},
    "container": {"name": "one", "image": "web:1"},
    "claims": [{
      "kind": "port", "claim": {"container": 80, "protocol": "tcp", "host": "1234", "ip": "", "bindable": true},
      "pointer": "/HostConfig/PortBindings/80~1tcp/0",
      "before": {"HostIp": "", "HostPort": "1234"}, "after": {"HostIp": "127.0.0.1", "HostPort": "1234"},
      "action": "bind", "rule": "port \"unset goes to loopback\", built-in:LINE"
    }]
  },
  {"record": "answer", "status": 201, "container": "ID"},
  {
    "record": "call", "endpoint": "container.start", "method": "POST", "path": "/containers/ID/start",
    "client": {"uid": 0, "user": "root", "gid": 0, "command": "docker"},
    "container": {"name": "one", "image": "web:1"},
    "claims": [{
      "kind": "port", "claim": {"container": 80, "protocol": "tcp", "host": "1234", "ip": "127.0.0.1", "bindable": true},
      "pointer": "", "before": {"HostIp": "127.0.0.1", "HostPort": "1234"},
      "action": "allow", "rule": "port \"loopback\", built-in:LINE"
    }]
  },
  {"record": "answer", "status": 204}
]`

var policyLine = regexp.MustCompile(`built-in:\d+`)

func TestEveryInterceptedCallIsOnRecord(t *testing.T) {
	everyEngine(t, func(t *testing.T, l *lab.Lab) {
		l.Serve(t)
		id := l.DockerAt(t, lab.SafesockSocket, "run", "-d", "--name", "one", "-p", "1234:80", "web:1")
		var records []map[string]any
		lab.Until(t, "the last answer is on record", func() error {
			records = l.Audit(t)
			return unlessEqual(len(records), 4)
		})
		ids := map[string]int{}
		for _, r := range records {
			ids[fmt.Sprint(r["id"])]++
			for _, varies := range []string{"time", "id", "version"} {
				delete(r, varies)
			}
			if client, ok := r["client"].(map[string]any); ok {
				if client["pid"].(float64) <= 0 {
					t.Errorf("pid of the client: got %v", client["pid"])
				}
				delete(client, "pid")
			}
		}
		if len(ids) != 2 {
			t.Errorf("calls and answers are told together by their ids: got %v", ids)
		}
		text, err := json.Marshal(records)
		if err != nil {
			t.Fatal(err)
		}
		text = policyLine.ReplaceAll(text, []byte("built-in:LINE"))
		text = bytes.ReplaceAll(text, []byte("docker.io/library/web:1"), []byte("web:1")) // as Podman has it
		text = regexp.MustCompile(id).ReplaceAll(text, []byte("ID"))
		var got, want any
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(wantAudit), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("audit log (-want +got):\n%s", diff)
		}
		if stat, err := os.Stat(l.Path(lab.AuditLog)); err != nil || stat.Mode().Perm() != 0o600 {
			t.Errorf("%s: got mode %v (%v), want 0600", lab.AuditLog, stat.Mode(), err)
		}
	})
}

func TestALogThatWasRotatedAwayIsOpenedAnew(t *testing.T) {
	everyEngine(t, func(t *testing.T, l *lab.Lab) {
		s := l.Serve(t)
		l.DockerAt(t, lab.SafesockSocket, "create", "web:1")
		lab.Until(t, "the answer is on record", func() error { return unlessEqual(len(l.Audit(t)), 2) })
		if err := os.Rename(l.Path(lab.AuditLog), l.Path(lab.AuditLog)+".1"); err != nil {
			t.Fatal(err)
		}
		s.Reload(t)
		l.DockerAt(t, lab.SafesockSocket, "create", "web:1")
		lab.Until(t, "the answer is on record", func() error { return unlessEqual(len(l.Audit(t)), 2) })
	})
}

func TestOpenCallsEndBeforeSafesockDoes(t *testing.T) {
	everyEngine(t, func(t *testing.T, l *lab.Lab) {
		s := l.Serve(t)
		l.Docker(t, "run", "-d", "--name", "one", "web:1", "sh", "-c", "echo waiting; until test -e /tmp/go; do sleep 0.1; done; echo gone")
		logs, err := l.HTTP(lab.SafesockSocket).Get("http://docker/v1.41/containers/one/logs?follow=1&stdout=1")
		if err != nil {
			t.Fatal(err)
		}
		defer logs.Body.Close()
		s.Signal(t, syscall.SIGTERM)
		lab.Until(t, "no new client is let in", func() error {
			res, err := l.HTTP(lab.SafesockSocket).Get("http://docker/_ping")
			if err != nil {
				return nil
			}
			res.Body.Close()
			return fmt.Errorf("%s", res.Status)
		})
		l.Docker(t, "exec", "one", "touch", "/tmp/go")
		got, err := io.ReadAll(logs.Body)
		if want := frame("waiting\n") + frame("gone\n"); string(got) != want || err != nil {
			t.Errorf("got %q (%v), want %q", got, err, want)
		}
		if got := s.Wait(); got != 0 {
			t.Errorf("exit status: got %d, want 0", got)
		}
	})
}
