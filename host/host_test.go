package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAFreePortIsFreeOnEveryAddressAndNotGivenTwice(t *testing.T) {
	busy, err := net.Listen("tcp4", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	port := busy.Addr().(*net.TCPAddr).Port
	one, two := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	none := func(int) bool { return false }
	if got, err := (Machine{}).FreePort("tcp", []netip.Addr{one, two}, port, port+1, none); err != nil || got != port+1 {
		t.Errorf("got %d (%v) want %d", got, err, port+1)
	}
	given := func(p int) bool { return p == port }
	if got, err := (Machine{}).FreePort("tcp", []netip.Addr{one}, port, port+1, given); err != nil || got != port+1 {
		t.Errorf("got %d (%v) want %d", got, err, port+1)
	}
	if got, err := (Machine{}).FreePort("tcp", []netip.Addr{two}, port, port, none); err == nil {
		t.Errorf("got %d, which is taken", got)
	}
	for protocol, addrs := range map[string][]netip.Addr{
		"udp":  {netip.IPv4Unspecified(), netip.IPv6Unspecified()},
		"tcp":  {one, netip.IPv6Loopback()},
		"sctp": {one},
	} {
		if got, err := (Machine{}).FreePort(protocol, addrs, 0, 0, none); err != nil || got == 0 {
			t.Errorf("%s %v: got %d (%v)", protocol, addrs, got, err)
		}
	}
}

func TestPathsAreResolvedAsFarAsTheyExist(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, dir+"/link"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/self/root", dir+"/root"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../"+filepath.Base(dir)+"/loop", dir+"/loop"); err != nil {
		t.Fatal(err)
	}
	process := fmt.Sprintf("/proc/%d", os.Getpid())
	for path, want := range map[string]string{
		"/proc/self/root" + dir:      process + "/root" + dir + " true",
		dir + "/root/nowhere":        process + "/root/nowhere false",
		"/proc/self/cwd/paths.go":    process + "/cwd/paths.go true",
		"/proc/mounts":               process + "/mounts true",
		dir + "/link/./link/../link": dir + " true",
		dir + "/link/new/./er":       dir + "/new/er false",
		"/":                          "/ true",
	} {
		got, exists, err := (Machine{}).Resolve(path)
		if fmt.Sprint(got, " ", exists) != want || err != nil {
			t.Errorf("%s: got %s %t (%v) want %s", path, got, exists, err, want)
		}
	}
	if got, _, err := (Machine{}).Resolve(dir + "/loop"); !errors.Is(err, unix.ELOOP) {
		t.Errorf("got %s (%v), want %v", got, err, unix.ELOOP)
	}
}

// TestWhatCannotBeLookedUpIsAnError holds of each look-up, since "there is no
// such thing" would let a rule pass.
func TestWhatCannotBeLookedUpIsAnError(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("loop", dir+"/loop"); err != nil {
		t.Fatal(err)
	}
	process := fmt.Sprintf("/proc/%d/root", os.Getpid())
	long := strings.Repeat("x", 256)
	for path, want := range map[string]string{
		process + dir + "/loop": "stat " + process + dir + "/loop: too many levels of symbolic links",
		"/" + long:              "lstat /" + long + ": file name too long",
	} {
		if _, _, err := (Machine{}).Resolve(path); fmt.Sprint(err) != want {
			t.Errorf("%s: got %v want %s", path, err, want)
		}
	}
	if same, err := SameFile(dir, dir+"/loop"); same || fmt.Sprint(err) != "stat "+dir+"/loop: too many levels of symbolic links" {
		t.Errorf("the same file: got %t (%v)", same, err)
	}
}

func TestWhatIsNotThereIsNotThere(t *testing.T) {
	var m Machine
	if resolved, exists, err := m.Resolve("/nowhere/else"); resolved != "/nowhere/else" || exists || err != nil {
		t.Errorf("a path: got %s %t (%v)", resolved, exists, err)
	}
	if same, err := SameFile("/", "/nowhere/docker.sock"); same || err != nil {
		t.Errorf("a file: got %t (%v)", same, err)
	}
	for name, want := range map[string]bool{"nowhere": false, "lo": true} {
		if got, err := m.HasInterface(name); got != want || err != nil {
			t.Errorf("the interface %s: got %t (%v) want %t", name, got, err, want)
		}
	}
}
