package host

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// TestGroupsAreThoseThatTheClientConnectedWith gives this process more groups
// than the kernel's answer is first given room for, if it may.
func TestGroupsAreThoseThatTheClientConnectedWith(t *testing.T) {
	before, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	many := before
	if os.Getuid() == 0 {
		many = nil
		for gid := range 300 {
			many = append(many, 70000+gid)
		}
		if err := syscall.Setgroups(many); err != nil {
			t.Fatal(err)
		}
		defer syscall.Setgroups(before)
	}
	connected := connect(t)
	if os.Getuid() == 0 {
		if err := syscall.Setgroups(before); err != nil {
			t.Fatal(err)
		}
	}
	p, err := PeerOf(connected)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.gids()
	if want := append([]int{os.Getgid()}, many...); !slices.Equal(got, want) || err != nil {
		t.Errorf("got  %v (%v)\nwant %v", got, err, want)
	}
}

// connect returns the accepted end of a connection from this process.
func connect(t *testing.T) syscall.RawConn {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestAProcessThatIsHiddenHasNoCommand(t *testing.T) {
	gone := exec.Command("/proc/self/exe", "-test.run=^$")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	const want = "the process is gone or cannot be seen from here; compare client.uid instead"
	for _, pid := range []int{0, gone.Process.Pid} {
		if got, err := (&Peer{PID: pid}).Command(); err == nil || err.Error() != want {
			t.Errorf("pid %d: got %q (%v)", pid, got, err)
		}
	}
}
