//go:build e2e

package e2e

import (
	"slices"
	"testing"

	"github.com/safesock/safesock/tests/e2e/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// everyEngine runs a test on a lab of its own for each engine.
func everyEngine(t *testing.T, test func(t *testing.T, l *lab.Lab)) {
	enginesThat(t, func(lab.Kind) bool { return true }, test)
}

// enginesThat does so for some of the engines.
func enginesThat(t *testing.T, holds func(lab.Kind) bool, test func(t *testing.T, l *lab.Lab)) {
	t.Parallel()
	kinds, err := lab.Kinds()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		if !holds(kind) {
			continue
		}
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			test(t, lab.New(t, kind))
		})
	}
}

// The tests of safesock mean something only where this holds.
func TestWithoutSafesockAPortIsOpenToTheNeighbour(t *testing.T) {
	everyEngine(t, func(t *testing.T, l *lab.Lab) {
		t.Logf("%s is version %s", l.Kind.Name, l.Version(t))
		id := l.Docker(t, "run", "-d", "-p", "1234:80", "-p", "1234:80/udp", "web:1")

		listening := []string{"0.0.0.0:1234/tcp", "0.0.0.0:1234/udp"}
		reached := []string{"192.0.2.1:1234/tcp", "192.0.2.1:1234/udp"}
		if !l.Kind.Podman() {
			listening = append(listening, "[::]:1234/tcp", "[::]:1234/udp")
			reached = append(reached, "[2001:db8::1]:1234/tcp")
		}
		if got := l.Listening(t); !slices.Equal(got, listening) {
			t.Errorf("got %v, want %v", got, listening)
		}
		lab.Until(t, "web answers", func() error { _, err := l.ReachLocally("127.0.0.1:1234/tcp"); return err })
		for _, addr := range reached {
			got, err := l.Reach(addr)
			if want := "hello from " + id[:12]; got != want || err != nil {
				t.Errorf("the neighbour asks %s: got %q (%v), want %q", addr, got, err, want)
			}
		}
	})
}
