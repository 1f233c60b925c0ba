package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// silentMount mounts a file system whose server answers nothing until the
// returned func ends the server, from when on each look fails with ENOTCONN.
func silentMount(t *testing.T) (dir string, end func()) {
	t.Helper()
	dir = filepath.Join(resolvedTempDir(t), "silent")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	server, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() { unix.Close(server) })
	if err := unix.Mount("silent", dir, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", server)); err != nil {
		end()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end()
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir, end
}

func resolvedTempDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestALookThatHangsEndsAndHoldsUpNoOther(t *testing.T) {
	if !inNamespaces(t, 0, unix.CLONE_NEWNS) {
		return
	}
	silent, end := silentMount(t)
	begin := time.Now()
	var hung sync.WaitGroup
	for range maxHanging {
		hung.Go(func() {
			if got, exists, err := (Machine{}).Resolve(silent + "/file"); err != errNoAnswer {
				t.Errorf("got %q %t (%v) want %v", got, exists, err, errNoAnswer)
			}
		})
	}
	hung.Wait()
	if took := time.Since(begin); took > 2*lookTime {
		t.Errorf("%d looks took %s together, want about %s", maxHanging, took, lookTime)
	}
	begin = time.Now()
	if got, exists, err := (Machine{}).ResolveAs("/", "/nowhere"); err != errHanging {
		t.Errorf("after %d hung looks: got %q %t (%v) want %v", maxHanging, got, exists, err, errHanging)
	}
	if took := time.Since(begin); took > lookTime/2 {
		t.Errorf("a look that is not begun took %s", took)
	}
	end()
	for pathLooks.hanging.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
	if got, exists, err := (Machine{}).Resolve("/"); got != "/" || !exists || err != nil {
		t.Errorf("after the hung looks ended: got %q %t (%v)", got, exists, err)
	}
}

func TestOneHungLookLeavesRoomForOthers(t *testing.T) {
	if !inNamespaces(t, 0, unix.CLONE_NEWNS) {
		return
	}
	silent, end := silentMount(t)
	defer end()
	hung := make(chan error)
	go func() {
		_, _, err := (Machine{}).Resolve(silent)
		hung <- err
	}()
	for len(pathLooks.begun) == 0 {
		time.Sleep(time.Millisecond)
	}
	for range 10 * maxHanging {
		if got, exists, err := (Machine{}).Resolve("/"); got != "/" || !exists || err != nil {
			t.Fatalf("beside a hung look: got %q %t (%v)", got, exists, err)
		}
	}
	if err := <-hung; err != errNoAnswer {
		t.Errorf("the hung look: got %v want %v", err, errNoAnswer)
	}
}

func TestADeadMountCannotBeLookedAt(t *testing.T) {
	if !inNamespaces(t, 0, unix.CLONE_NEWNS) {
		return
	}
	dead, end := silentMount(t)
	end()
	if got, exists, err := (Machine{}).Resolve(dead + "/file"); !errors.Is(err, unix.ENOTCONN) {
		t.Errorf("got %q %t (%v) want %v", got, exists, err, unix.ENOTCONN)
	}
}

func TestAPathThatMayNotBeLookedAtIsAnError(t *testing.T) {
	if !inNamespaces(t, 1000, 0) {
		return
	}
	secret := resolvedTempDir(t) + "/secret"
	if err := os.Mkdir(secret, 0); err != nil {
		t.Fatal(err)
	}
	if got, exists, err := (Machine{}).Resolve(secret + "/file"); !errors.Is(err, unix.EACCES) {
		t.Errorf("got %q %t (%v) want %v", got, exists, err, unix.EACCES)
	}
}

func TestNothingIsBelowAFileThatWasAFolder(t *testing.T) {
	file := resolvedTempDir(t) + "/file"
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, exists, err := (Machine{}).Resolve(file + "/below/it"); got != file+"/below/it" || exists || err != nil {
		t.Errorf("got %q %t (%v) want %s/below/it", got, exists, err, file)
	}
}
