//go:build e2e

package lab

import (
	"bufio"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

//go:embed machine.sh
var machineScript string

// cache is where setup.sh leaves its roots.
func cache() string {
	if dir := os.Getenv("SAFESOCK_E2E_CACHE"); dir != "" {
		return dir
	}
	return "/var/cache/safesock-e2e"
}

// suites are the Debians that setup.sh has made, by name.
func suites() map[string]string {
	found := map[string]string{}
	for _, suite := range []string{"bookworm", "trixie", "sid"} {
		root := filepath.Join(cache(), suite)
		if _, err := os.Stat(filepath.Join(root, "safesock-e2e")); err == nil {
			found[suite] = root
		}
	}
	return found
}

// Machine is a Debian with a network of its own, and a neighbour on it.
type Machine struct {
	Suite string // the Debian it is
	Dir   string // a folder below Run, for what its test makes
	pid   int    // of its first process, as the host sees it
}

// newMachine starts a machine that ends with the test.
func newMachine(t testing.TB, suite string) *Machine {
	t.Helper()
	roots := suites()
	root, ok := roots[suite]
	if !ok {
		t.Fatalf("there is no Debian %s below %s: run tests/e2e/setup.sh", suite, cache())
	}
	dir, err := os.MkdirTemp(Run, "lab-")
	if err != nil {
		t.Fatal(err)
	}
	host := filepath.Join(dir, "root")
	for _, d := range []string{dir, host} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}

	args := []string{"-c", machineScript, "machine.sh", host, Run, root}
	for name, root := range roots {
		if name != suite {
			args = append(args, name+"="+root)
		}
	}
	cmd := exec.Command("bash", args...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	life, err := cmd.StdinPipe() // it lives as long as this is open
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s: %v (network and mount namespaces are needed)", suite, err)
	}
	m := &Machine{Suite: suite, Dir: dir, pid: cmd.Process.Pid}
	t.Cleanup(func() {
		left := m.cgroups()
		for _, dir := range left {
			thaw(dir)
		}
		life.Close()
		cmd.Process.Kill() // the kernel ends every other process of the machine with it
		cmd.Wait()
		for _, dir := range left {
			os.Remove(dir)
		}
		os.RemoveAll(dir)
	})
	up := bufio.NewReader(stdout)
	if line, err := up.ReadString('\n'); line != "up\n" {
		t.Fatalf("the machine did not come up: %q, %v", line, err)
	}
	go io.Copy(io.Discard, up)
	return m
}

// Path is where the host sees a path of the machine. No part of it may be an
// absolute symbolic link, as /var/run is: those lead back to the host.
func (m *Machine) Path(path string) string {
	return fmt.Sprintf("/proc/%d/root%s", m.pid, path)
}

// Enter is the command line that runs the arguments on the machine, in a
// folder and with the programs of a suite ("" for the machine's own). The
// command ends when the process that enters is killed.
func (m *Machine) Enter(suite, dir string, args ...string) []string {
	line := []string{"nsenter", "--target", strconv.Itoa(m.pid), "--mount", "--pid", "--net", "--uts", "--ipc"}
	if suite != "" && suite != m.Suite {
		line = append(line, "chroot", "/suites/"+suite)
	}
	line = append(line, "env", "--chdir="+dir, "PATH="+filepath.Join(Run, "bin")+":/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
		"setpriv", "--pdeathsig", "KILL", "--")
	return append(line, args...)
}

// Command prepares a command on the machine. It has only the environment that
// the caller adds to.
func (m *Machine) Command(suite string, args ...string) *exec.Cmd {
	line := m.Enter(suite, m.Dir, args...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = []string{"LANG=C.UTF-8", "PATH=" + os.Getenv("PATH")}
	return cmd
}
