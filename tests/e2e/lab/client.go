//go:build e2e

package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// client is a command that tests use by a name of their own.
type client struct {
	name   string
	suites []string // that have it: the machine's own is taken if it is one of them, else the first; none if all do
	args   []string
}

var clients = []client{
	{name: "docker", args: []string{"docker"}},
	{name: "compose1", suites: []string{"bookworm"}, args: []string{"docker-compose"}},
	{name: "compose2", suites: []string{"sid", "trixie"}, args: []string{"docker", "compose"}},
	{name: "buildx", suites: []string{"sid", "trixie"}, args: []string{"docker", "buildx"}},
	{name: "node", suites: []string{"bookworm"}, args: []string{"node"}},
	{name: "python3", suites: []string{"bookworm"}, args: []string{"python3"}},
	{name: "safesock", args: []string{"safesock"}},
	{name: "sh", args: []string{"sh"}},
}

// Clients are the names of the commands in the folder that Tools makes.
func Clients() []string {
	var names []string
	for _, c := range clients {
		names = append(names, c.name)
	}
	return names
}

// Tools makes a folder of commands for the host that run on the machine, in
// the folder and with the environment that they are called in.
func (m *Machine) Tools(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(m.Dir, "tools")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// A process forked meanwhile would have a script open for writing until it
	// runs its program, and the script could not be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	for _, c := range clients {
		script := fmt.Sprintf("#!/bin/sh\nexec %s \"$@\"\n", strings.Join(m.Enter(c.suite(m.Suite), `"$PWD"`, c.args...), " "))
		if err := os.WriteFile(filepath.Join(dir, c.name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (c client) suite(own string) string {
	if slices.Contains(c.suites, own) {
		return own
	}
	roots := suites()
	for _, s := range c.suites {
		if _, ok := roots[s]; ok {
			return s
		}
	}
	return ""
}
