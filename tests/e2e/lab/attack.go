//go:build e2e

package lab

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// KindNames are the names of Docker's and of Podman's engines.
func KindNames() (docker, podman []string) {
	for _, k := range kinds {
		if k.Podman() {
			podman = append(podman, k.Name)
		} else {
			docker = append(docker, k.Name)
		}
	}
	return docker, podman
}

// RouteToContainers gives the neighbour a route to what networks of containers
// the machine has, as a LAN's router would have one: what the Engine's
// firewall lets through is reachable then.
func (m *Machine) RouteToContainers(t testing.TB) {
	t.Helper()
	for _, route := range [][]string{
		{"172.16.0.0/12", "via", MachineIP},
		{"10.88.0.0/15", "via", MachineIP},
		{"2001:db8:1::/48", "via", MachineIP6},
	} {
		args := append([]string{"ip", "-n", "neighbour", "route", "add"}, route...)
		if out, err := m.Command("", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
}

// Bridge gives the machine a bridge, as hosts of virtual machines have one, with
// another LAN on it, 198.51.100.0/24. The neighbour is 198.51.100.2 there. The
// bridge's alternative name begins with "office-".
func (m *Machine) Bridge(t testing.TB, name string) {
	t.Helper()
	for _, line := range []string{
		"ip link add " + name + " type bridge",
		"ip link add lan1 type veth peer name lan1 netns neighbour",
		"ip link set lan1 master " + name + " up",
		"ip addr add 198.51.100.1/24 dev " + name,
		"ip link set " + name + " up",
		"ip link property add dev " + name + " altname office-" + name,
		"ip -n neighbour addr add 198.51.100.2/24 dev lan1",
		"ip -n neighbour link set lan1 up",
	} {
		if out, err := m.Command("", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
}

// SameFile reports whether a path in the container whose first process is pid is
// the same file as one of the machine's. The pid is the machine's.
func (m *Machine) SameFile(pid int, inside, outside string) bool {
	a, err := os.Stat(m.Path(fmt.Sprintf("/proc/%d/root%s", pid, inside)))
	if err != nil {
		return false
	}
	b, err := os.Stat(m.Path(outside))
	return err == nil && os.SameFile(a, b)
}

// SharesNamespace reports whether a process has the machine's own namespace of a
// kind, as in "net".
func (m *Machine) SharesNamespace(pid int, kind string) bool {
	a, err := os.Readlink(m.Path(fmt.Sprintf("/proc/%d/ns/%s", pid, kind)))
	if err != nil {
		return false
	}
	b, err := os.Readlink(m.Path("/proc/1/ns/" + kind))
	return err == nil && a == b
}

// Status is a field of /proc/PID/status, as in "Seccomp", "" if there is none.
func (m *Machine) Status(pid int, field string) string {
	status, err := os.ReadFile(m.Path(fmt.Sprintf("/proc/%d/status", pid)))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(text)
		}
	}
	return ""
}

// Capable reports whether a process has a capability, by its number.
func (m *Machine) Capable(pid int, capability uint) bool {
	set, err := strconv.ParseUint(m.Status(pid, "CapEff"), 16, 64)
	return err == nil && set&(1<<capability) != 0
}

// Exists reports whether the machine has a file.
func (m *Machine) Exists(path string) bool {
	_, err := os.Lstat(m.Path(path))
	return err == nil
}

// Put writes a file of the machine.
func (m *Machine) Put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(m.Path(filepath.Dir(path)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.Path(path), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Link makes a symbolic link on the machine.
func (m *Machine) Link(t testing.TB, to, path string) {
	t.Helper()
	if err := os.MkdirAll(m.Path(filepath.Dir(path)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, m.Path(path)); err != nil {
		t.Fatal(err)
	}
}

// Descriptors are the open files of a program, sorted: sockets without their
// numbers, so that two lists can be compared.
func (p *Process) Descriptors(t testing.TB) []string {
	t.Helper()
	pid, err := p.PID()
	if err != nil {
		t.Fatalf("%s has ended: %v\n%s", p.name, err, p.Tail(30))
	}
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	open := []string{}
	for _, link := range links {
		to, err := os.Readlink(link)
		if err != nil {
			continue // closed meanwhile
		}
		kind, _, _ := strings.Cut(to, ":[")
		open = append(open, kind)
	}
	slices.Sort(open)
	return open
}

// Stacks ends a Go program with SIGQUIT, and gives what it printed of its goroutines.
func (p *Process) Stacks(t testing.TB) string {
	t.Helper()
	before := len(p.Log(t))
	p.Stop(t, syscall.SIGQUIT)
	return p.Log(t)[before:]
}

// CopyPolicy puts one of the repository's policies onto the machine, and gives its path there.
func (m *Machine) CopyPolicy(t testing.TB, file string) string {
	t.Helper()
	from, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to := filepath.Join(m.Dir, filepath.Base(file))
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, from); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return to
}
