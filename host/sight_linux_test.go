//go:build linux && !portable

package host

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// serveAsEngine listens on a Unix socket, in the namespaces of this thread.
func serveAsEngine(t *testing.T) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "docker.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return socket
}

func wantSight(t *testing.T, socket string, engine System, want Sight) {
	t.Helper()
	if got, err := SightOf(socket, engine); got != want || err != nil {
		t.Errorf("got  %+v (%v)\nwant %+v", got, err, want)
	}
}

func thisOne(t *testing.T) System {
	t.Helper()
	own, err := thisSystem()
	if err != nil {
		t.Fatal(err)
	}
	return own
}

const (
	rootless   = "the Engine is rootless, and its bridges are in a network namespace of its own"
	otherNetNS = "the Engine is in another network namespace"

	otherSystem = "the Engine runs on another system, %s with the kernel %s"
)

func TestAnEngineBesideSafesockIsSeen(t *testing.T) {
	if inNamespaces(t, 0, 0) {
		wantSight(t, serveAsEngine(t), thisOne(t), Sight{})
	}
}

func TestAnEngineInAVirtualMachineIsNotSeen(t *testing.T) {
	own := thisOne(t)
	for _, engine := range []System{{own.Hostname, "6.12.0-linuxkit"}, {"docker-desktop", own.Kernel}} {
		why := fmt.Sprintf(otherSystem, engine.Hostname, engine.Kernel)
		wantSight(t, serveAsEngine(t), engine, Sight{why, why})
	}
}

func TestARootlessEngineHasOtherInterfaces(t *testing.T) {
	if inNamespaces(t, 1000, 0) {
		wantSight(t, serveAsEngine(t), thisOne(t), Sight{Interfaces: rootless})
	}
}

func TestAnEngineInAnotherNetworkHasOtherInterfaces(t *testing.T) {
	if !inNamespaces(t, 0, 0) {
		return
	}
	runtime.LockOSThread() // the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	socket := serveAsEngine(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		wantSight(t, socket, thisOne(t), Sight{Interfaces: otherNetNS})
	}()
	<-done
}

// TestNothingIsSeenFromAContainer looks from a container at an Engine outside.
func TestNothingIsSeenFromAContainer(t *testing.T) {
	const socket = "SAFESOCK_TEST_SOCKET"
	if os.Getenv(socket) == "" {
		t.Setenv(socket, serveAsEngine(t))
	}
	if inNamespaces(t, 0, unix.CLONE_NEWPID|unix.CLONE_NEWNET|unix.CLONE_NEWUTS) {
		want := Sight{inContainer, otherNetNS}
		if err := unix.Sethostname([]byte("container")); err != nil {
			t.Fatal(err)
		}
		engine := thisOne(t)
		engine.Hostname = "host"
		wantSight(t, os.Getenv(socket), engine, want)
	}
}
