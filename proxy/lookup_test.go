package proxy

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safesock/safesock/rewrite"
)

func TestAFreePortIsFreeOnEveryAddressAndNotGivenTwice(t *testing.T) {
	busy, err := net.Listen("tcp4", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	port := busy.Addr().(*net.TCPAddr).Port
	pair := fmt.Sprintf("%d-%d", port, port+1)
	if got, err := freePort("tcp 127.0.0.1 127.0.0.2 "+pair, nil); err != nil || got != port+1 {
		t.Errorf("got %d (%v) want %d", got, err, port+1)
	}
	known := map[rewrite.Question]rewrite.Answer{{About: rewrite.AboutPort, Name: "tcp 127.0.0.1 " + pair}: {Port: port}}
	if got, err := freePort("tcp 127.0.0.1 "+pair+" #2", known); err != nil || got != port+1 {
		t.Errorf("got %d (%v) want %d", got, err, port+1)
	}
	if got, err := freePort(fmt.Sprintf("tcp 127.0.0.2 %d-%d", port, port), nil); err == nil {
		t.Errorf("got %d, which is taken", got)
	}
	for _, name := range []string{"udp 0.0.0.0 ::", "tcp 127.0.0.1 ::1", "sctp 127.0.0.1"} {
		if got, err := freePort(name, nil); err != nil || got == 0 {
			t.Errorf("%s: got %d (%v)", name, got, err)
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
		"/proc/self/cwd/lookup.go":   process + "/cwd/lookup.go true",
		"/proc/mounts":               process + "/mounts true",
		dir + "/link/./link/../link": dir + " true",
		dir + "/link/new/./er":       dir + "/new/er false",
		"/":                          "/ true",
	} {
		got, exists, err := resolve(path)
		if fmt.Sprint(got, " ", exists) != want || err != nil {
			t.Errorf("%s: got %s %t (%v) want %s", path, got, exists, err, want)
		}
	}
	if got, _, err := resolve(dir + "/loop"); !errors.Is(err, unix.ELOOP) {
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
	s := &Server{}
	for q, want := range map[rewrite.Question]string{
		{About: rewrite.AboutPath, Name: process + dir + "/loop"}: "stat " + process + dir + "/loop: too many levels of symbolic links",
		{About: rewrite.AboutPath, Name: "/" + long}:              "lstat /" + long + ": file name too long",
	} {
		if got := s.answer(q, nil); got.Err != want {
			t.Errorf("%s %s: got %+v\nwant the error %s", q.About, q.Name, got, want)
		}
	}
	s.guarded = dir + "/loop"
	if got, want := s.answer(rewrite.Question{About: rewrite.AboutPath, Name: dir}, nil).Err, "stat "+dir+"/loop: too many levels of symbolic links"; got != want {
		t.Errorf("the guarded socket: got %q want %q", got, want)
	}
	if got, err := entersProcess(dir+"/gone", "elsewhere"); err == nil || got {
		t.Errorf("the kind of a file system: got %t (%v)", got, err)
	}
	for _, in := range []struct{ sysNet, name string }{{dir + "/gone", "lo"}, {dir, long}} {
		if got, err := hasInterface(in.sysNet, in.name); err == nil || got {
			t.Errorf("an interface in %s: got %t (%v)", in.sysNet, got, err)
		}
		if got, err := hasForeignPorts(in.sysNet, in.name); err == nil || got {
			t.Errorf("a bridge in %s: got %t (%v)", in.sysNet, got, err)
		}
	}
}

func TestWhatIsNotThereIsNotThere(t *testing.T) {
	s := &Server{guarded: "/nowhere/docker.sock"}
	for q, want := range map[rewrite.Question]rewrite.Answer{
		{About: rewrite.AboutPath, Name: "/nowhere/else"}: {Path: "/nowhere/else"},
		{About: rewrite.AboutPath, Name: "/"}:             {Path: "/", Exists: true},
		{About: rewrite.AboutInterface, Name: "nowhere"}:  {},
		{About: rewrite.AboutInterface, Name: "lo"}:       {Exists: true},
		{About: rewrite.AboutBridge, Name: "nowhere"}:     {},
		{About: rewrite.AboutBridge, Name: "lo"}:          {},
	} {
		if got := s.answer(q, nil); !reflect.DeepEqual(got, want) {
			t.Errorf("%s %s: got %+v want %+v", q.About, q.Name, got, want)
		}
	}
}
