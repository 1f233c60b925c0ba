//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/safesock/safesock/tests/e2e/lab"
)

// guards are the policies that attacks are tried against, with their files.
var guards = map[string]string{
	"builtin": "",
	"strict":  "../../examples/strict.hcl",
	"ci":      "../../examples/ci.hcl",
}

// TestAttacks replays each file of attacks/ on every engine: on the Engine's
// own socket, where it has to succeed, and through safesock with each policy
// that is said to hold, where no part of it may.
func TestAttacks(t *testing.T) {
	t.Parallel()
	attacks := readAttacks(t)
	kinds, err := lab.Kinds()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		t.Run(kind.Name+"/direct", func(t *testing.T) {
			t.Parallel()
			attackDirectly(t, battlefield(t, kind), attacks)
		})
		for guard := range guards {
			if guard == "strict" && kind.Name != kinds[len(kinds)-1].Name {
				continue // it differs from the built-in policy in rules alone, and one engine shows that
			}
			t.Run(kind.Name+"/"+guard, func(t *testing.T) {
				t.Parallel()
				attackThrough(t, battlefield(t, kind), attacks, guard)
			})
		}
	}
}

// battlefield is a lab with what attacks find on a host.
func battlefield(t *testing.T, kind lab.Kind) *lab.Lab {
	l := lab.New(t, kind)
	l.RouteToContainers(t)
	l.Bridge(t, "br-lan")
	l.Link(t, "/", "/home/runner/work/link")
	l.Put(t, "/home/runner/work/job/file", "the job's own\n")
	l.Put(t, "/etc/host-secret", "what only the host knows\n")
	return l
}

func attackDirectly(t *testing.T, l *lab.Lab, attacks []attack) {
	calm := l.Listening(t)
	for _, a := range attacks {
		if !slices.Contains(a.engines, l.Kind.Name) {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			r := &replay{lab: l, attack: a, socket: l.Kind.Socket, before: calm}
			defer reset(t, l, calm)
			defer r.close()
			r.run(t)
			defer func() {
				if t.Failed() {
					t.Logf("the answers were\n%s", strings.Join(r.answers, "\n"))
				}
			}()
			if err := await(func() error { return r.succeeded(t) }); err != nil {
				t.Errorf("without safesock the attack must succeed: %v", err)
				r.answerAll()
			}
		})
	}
}

func attackThrough(t *testing.T, l *lab.Lab, attacks []attack, guard string) {
	var flags []string
	if file := guards[guard]; file != "" {
		flags = []string{"--policy", l.CopyPolicy(t, file)}
	}
	safesock := l.Serve(t, flags...)
	ping(t, l)
	calm := l.Listening(t)
	var before []string
	lab.Until(t, "the first connections are closed", func() error {
		before = safesock.Descriptors(t)
		return connections(before, 1)
	})
	for _, a := range attacks {
		if !slices.Contains(a.engines, l.Kind.Name) || !slices.Contains(a.holds, guard) {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			r := &replay{lab: l, attack: a, socket: lab.SafesockSocket, guard: guard, before: calm}
			defer reset(t, l, calm)
			defer r.close()
			r.run(t)
			for _, line := range a.success {
				if r.judge(t, line) {
					t.Errorf("the attack succeeds: %s\nthe answers were\n%s", line, strings.Join(r.answers, "\n"))
				}
			}
			ping(t, l)
		})
	}
	lab.Until(t, "safesock has closed what the attacks opened", func() error {
		if after := safesock.Descriptors(t); !slices.Equal(before, after) {
			return fmt.Errorf("before %v, after %v", before, after)
		}
		return nil
	})
	if stacks := safesock.Stacks(t); strings.Contains(stacks, "proxy.(*connection)") || !strings.Contains(stacks, "goroutine") {
		t.Errorf("goroutines are left:\n%s", stacks)
	}
}

// ping asks safesock something that the Engine answers.
func ping(t *testing.T, l *lab.Lab) {
	t.Helper()
	res, err := l.HTTP(lab.SafesockSocket).Get("http://engine/_ping")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); string(body) != "OK" || err != nil {
		t.Errorf("/_ping: got %q (%v), want OK", body, err)
	}
}

// connections gives an error unless that many of the descriptors are sockets.
func connections(descriptors []string, want int) error {
	got := 0
	for _, d := range descriptors {
		if d == "socket" {
			got++
		}
	}
	if got != want {
		return fmt.Errorf("%d sockets are open, want %d", got, want)
	}
	return nil
}
