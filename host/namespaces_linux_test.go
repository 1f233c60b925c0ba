package host

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// inNamespaces runs the calling test again in a process that is uid in a user
// namespace of its own, and in other namespaces by the CLONE_ flags. Only uid 0
// has capabilities there. It reports whether this is that process.
func inNamespaces(t *testing.T, uid int, flags uintptr) bool {
	t.Helper()
	if os.Getenv("SAFESOCK_TEST") == t.Name() {
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "SAFESOCK_TEST="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | flags,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}
