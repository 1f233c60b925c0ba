//go:build e2e

package lab

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// Conn is a client's connection to a Unix socket of the machine, to be written
// to byte by byte.
type Conn struct {
	*net.UnixConn
	r *bufio.Reader
}

// answerTime is how long any one answer may take in these tests.
const answerTime = 20 * time.Second

// Open connects to a Unix socket of the machine. The connection closes with the test.
func (m *Machine) Open(t testing.TB, socket string) *Conn {
	t.Helper()
	c, err := m.Dial(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(answerTime)); err != nil {
		t.Fatal(err)
	}
	return &Conn{c, bufio.NewReader(c)}
}

// Dial connects to a Unix socket of the machine.
func (m *Machine) Dial(socket string) (*net.UnixConn, error) {
	return net.DialUnix("unix", nil, &net.UnixAddr{Name: m.Path(socket), Net: "unix"})
}

// Send writes bytes.
func (c *Conn) Send(t testing.TB, bytes string) {
	t.Helper()
	if _, err := io.WriteString(c, bytes); err != nil {
		t.Fatal(err)
	}
}

// Head reads the head of an answer, without the empty line.
func (c *Conn) Head(t testing.TB) string {
	t.Helper()
	var head strings.Builder
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			t.Fatalf("the answer ended in its head: %q (%v)", head.String()+line, err)
		}
		if line == "\r\n" {
			return head.String()
		}
		head.WriteString(line)
	}
}

// Read reads what has been buffered behind a head first.
func (c *Conn) Read(p []byte) (int, error) { return c.r.Read(p) }

// Rest reads to the end of the stream.
func (c *Conn) Rest(t testing.TB) string {
	t.Helper()
	rest, err := io.ReadAll(c.r)
	if err != nil {
		t.Fatalf("after %q: %v", rest, err)
	}
	return string(rest)
}

// Exchange sends bytes to a Unix socket of the machine, and returns all that
// comes back until the other side closes. It reads while it sends, as an answer may come early.
func (m *Machine) Exchange(socket, request string) (string, error) {
	c, err := m.Dial(socket)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return "", err
	}
	go io.WriteString(c, request) // what cannot be sent, the answer shows
	answer, err := io.ReadAll(c)
	return string(answer), err
}

// Connections counts those that are open at a Unix socket of the machine.
func (m *Machine) Connections(t testing.TB, socket string) int {
	t.Helper()
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/unix", m.pid))
	if err != nil {
		t.Fatal(err)
	}
	open := 0
	for line := range strings.Lines(string(table)) {
		// Num RefCount Protocol Flags Type St Inode Path; St 03 is connected
		f := strings.Fields(line)
		if len(f) == 8 && f[5] == "03" && strings.TrimPrefix(f[7], "/var") == socket {
			open++
		}
	}
	return open
}
