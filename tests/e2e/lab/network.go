//go:build e2e

package lab

import (
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Addresses of the machine and of its neighbour on their LAN.
const (
	MachineIP    = "192.0.2.1"
	MachineIP6   = "2001:db8::1"
	NeighbourIP  = "192.0.2.2"
	NeighbourIP6 = "2001:db8::2"
)

// nameServer is Podman's own, on the bridges of its networks.
var nameServer = regexp.MustCompile(`^10\.89\.\d+\.1:53/`)

// Listening is what ss says: every socket of the machine that listens, as in
// "127.0.0.1:1234/tcp", sorted. Podman's name server is left out.
func (m *Machine) Listening(t testing.TB) []string {
	t.Helper()
	out, err := m.Command("", "ss", "-Htuln").Output()
	if err != nil {
		t.Fatalf("ss: %v", err)
	}
	found := []string{}
	for line := range strings.Lines(string(out)) {
		// tcp LISTEN 0 4096 0.0.0.0:1234 0.0.0.0:*
		f := strings.Fields(line)
		if len(f) < 5 {
			t.Fatalf("ss: cannot read %q", line)
		}
		if addr := f[4] + "/" + f[0]; !nameServer.MatchString(addr) {
			found = append(found, addr)
		}
	}
	slices.Sort(found)
	return found
}

// patience is how long an answer may take that will not come: firewalls drop
// without a word.
const patience = 2 * time.Second

// Reach connects from the neighbour to an address like "192.0.2.1:1234/tcp",
// and returns the first line that the web program answers.
func (m *Machine) Reach(addr string) (string, error) {
	return m.connect("/run/netns/neighbour", addr)
}

// ReachLocally connects from the machine itself.
func (m *Machine) ReachLocally(addr string) (string, error) {
	return m.connect("/proc/self/ns/net", addr)
}

func (m *Machine) connect(netns, addr string) (answer string, err error) {
	address, protocol, ok := strings.Cut(addr, "/")
	if !ok {
		return "", fmt.Errorf("%s: say which protocol, as in %s/tcp", addr, addr)
	}
	if netns == "/proc/self/ns/net" {
		netns = fmt.Sprintf("/proc/%d/ns/net", m.pid)
	} else {
		netns = m.Path(netns)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The thread stays in the namespace, so it is not given back: a locked thread ends with its goroutine.
		runtime.LockOSThread()
		var file *os.File
		if file, err = os.Open(netns); err != nil {
			return
		}
		defer file.Close()
		if err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
			return
		}
		answer, err = ask(protocol, address)
	}()
	<-done
	return answer, err
}

// ask sends a request to the web program and reads its answer's last line.
func ask(protocol, address string) (string, error) {
	c, err := net.DialTimeout(protocol, address, patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return "", err
	}
	if protocol == "udp" {
		answer := make([]byte, 1500)
		n, err := c.Read(answer)
		return strings.TrimSpace(string(answer[:n])), err
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		return "", err
	}
	lines := strings.Split(strings.TrimSpace(string(answer)), "\n")
	last := lines[len(lines)-1]
	if last == "" {
		return "", fmt.Errorf("%s: connected, and no answer came", address) // the userland proxy accepts before it knows its container
	}
	return last, nil
}
