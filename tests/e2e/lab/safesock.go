//go:build e2e

package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// Where safesock serves and writes when it is not told otherwise.
const (
	SafesockSocket = "/run/safesock/docker.sock"
	AuditLog       = "/var/log/safesock/audit.log"
)

// Safesock is a running `safesock serve`.
type Safesock struct{ *Process }

// Serve starts safesock in front of the Engine, as a person would, and waits
// until it answers. The Engine need not be up.
func (l *Lab) Serve(t testing.TB, flags ...string) *Safesock {
	t.Helper()
	args := append([]string{"safesock", "serve", "--upstream", "unix://" + l.Kind.Socket}, flags...)
	s := &Safesock{l.Start(t, "safesock.log", args...)}
	s.await(t, "listens", func() error {
		c, err := l.Dial(SafesockSocket)
		if err != nil {
			return err
		}
		return c.Close()
	})
	return s
}

// Reload makes safesock read its policy again, and returns what it said of it.
func (s *Safesock) Reload(t testing.TB) string {
	t.Helper()
	before := len(s.Log(t))
	s.Signal(t, syscall.SIGHUP)
	var said string
	Until(t, "safesock has reloaded", func() error {
		said = s.Log(t)[before:]
		if !strings.Contains(said, "reloaded") {
			return fmt.Errorf("it said %q", said)
		}
		return nil
	})
	return said
}

// Audit reads the audit log: one object a line.
func (l *Lab) Audit(t testing.TB) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(l.Path(AuditLog))
	if err != nil {
		t.Fatal(err)
	}
	var records []map[string]any
	for line := range bytes.Lines(text) {
		var record map[string]any
		if err := json.Unmarshal(line, &record); err != nil {
			t.Fatalf("%s: %q is not a JSON object: %v", AuditLog, line, err)
		}
		records = append(records, record)
	}
	return records
}
