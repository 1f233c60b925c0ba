//go:build e2e

package lab

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Lab is a machine with an Engine on it.
type Lab struct {
	*Machine
	Kind   Kind
	engine *Process
}

// New makes a machine whose Engine is up and has the image web:1, which
// EXPOSEs port 80. The lab ends with the test.
func New(t testing.TB, kind Kind) *Lab {
	t.Helper()
	l := &Lab{Machine: newMachine(t, kind.Suite), Kind: kind}
	l.StartEngine(t)
	l.Import(t, "web:1", `CMD ["web"]`, "EXPOSE 80")
	return l
}

// StartEngine starts the Engine and waits for its first answer.
func (l *Lab) StartEngine(t testing.TB, flags ...string) {
	t.Helper()
	args := slices.Concat(l.Kind.Serve, flags)
	if !l.Kind.Podman() {
		args = append(args, "--cgroup-parent=/"+cgroupParent())
	} else if err := os.MkdirAll(l.Path(filepath.Dir(l.Kind.Socket)), 0o755); err != nil {
		t.Fatal(err)
	}
	l.engine = l.Start(t, "engine.log", args...)
	l.engine.await(t, "answers", func() error {
		res, err := l.HTTP(l.Kind.Socket).Get("http://engine/_ping")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s", res.Status)
		}
		return nil
	})
}

// StopEngine ends the Engine as a service manager would.
func (l *Lab) StopEngine(t testing.TB) {
	t.Helper()
	l.engine.Stop(t, syscall.SIGTERM)
}

// Version is what the Engine says it is: "20.10.24+dfsg1".
func (l *Lab) Version(t testing.TB) string {
	t.Helper()
	return l.Docker(t, "version", "--format", "{{.Server.Version}}")
}

// Import makes an image from the file system that all images share.
func (l *Lab) Import(t testing.TB, name string, changes ...string) {
	t.Helper()
	args := []string{"import"}
	for _, c := range changes {
		args = append(args, "--change", c)
	}
	l.Docker(t, append(args, imageFile(), name)...)
}

// Docker runs the machine's own docker command against the Engine itself, and
// returns what it printed. The test ends if it fails.
func (l *Lab) Docker(t testing.TB, args ...string) string {
	t.Helper()
	return l.DockerAt(t, l.Kind.Socket, args...)
}

// DockerAt is Docker against another socket.
func (l *Lab) DockerAt(t testing.TB, socket string, args ...string) string {
	t.Helper()
	cmd := l.Command("", append([]string{"docker", "--host", "unix://" + socket}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return strings.TrimSpace(string(out))
}

// Until waits for something that happens outside the test and announces itself
// no other way. It ends the test when that takes a minute.
func Until(t testing.TB, what string, happened func() error) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		err := happened()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waiting until %s: %v", what, err)
		}
	}
}

// HTTP is a client for a Unix socket of the machine. It keeps no connection.
func (m *Machine) HTTP(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives:     true,
		ResponseHeaderTimeout: answerTime,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return m.Dial(socket)
		},
	}}
}

// HTTP2 is a client for a Unix socket of the machine that speaks HTTP/2 from
// its first byte on, on one connection that closes with the test.
func (m *Machine) HTTP2(t testing.TB, socket string) *http.Client {
	t.Helper()
	transport := &http.Transport{
		Protocols:          new(http.Protocols),
		DisableCompression: true, // answers are compared
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return m.Dial(socket)
		},
	}
	transport.Protocols.SetUnencryptedHTTP2(true)
	conn, err := transport.NewClientConn(t.Context(), "http", "engine:80")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &http.Client{Transport: conn}
}
