//go:build e2e

package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Engines put every container into a cgroup of its own. Docker is told to do so
// below one of this run; Podman cannot be told. What a machine leaves is removed
// after it.

const cgroupPrefix = "safesock-e2e-"

// cgroupParent is where this run's Docker Engines have their containers.
func cgroupParent() string { return cgroupPrefix + strconv.Itoa(os.Getpid()) }

// cgroupDirs finds a cgroup in every hierarchy, of both versions of cgroups.
func cgroupDirs(name string) []string {
	second, _ := filepath.Glob("/sys/fs/cgroup/" + name)
	first, _ := filepath.Glob("/sys/fs/cgroup/*/" + name)
	return append(second, first...)
}

// removeCgroup removes a cgroup with all below it. Those that still hold
// processes stay.
func removeCgroup(dir string) {
	thaw(dir)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			removeCgroup(filepath.Join(dir, e.Name()))
		}
	}
	os.Remove(dir)
}

// thaw lets the processes of a paused container go on. In the first version of
// cgroups they cannot be killed before.
func thaw(dir string) {
	state := filepath.Join(dir, "freezer.state")
	if text, err := os.ReadFile(state); err == nil && string(text) != "THAWED\n" {
		os.WriteFile(state, []byte("THAWED"), 0)
	}
}

// cgroups are the cgroups that the machine's processes are in, but for those
// that the machine did not make: its first process has them from the test.
func (m *Machine) cgroups() []string {
	own := namespace(m.pid)
	if own == "" {
		return nil
	}
	inherited := memberships(m.pid)
	found := map[string]bool{}
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range processes {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || namespace(pid) != own {
			continue
		}
		for name := range memberships(pid) {
			if !inherited[name] {
				found[name] = true
			}
		}
	}
	var dirs []string
	for name := range found {
		dirs = append(dirs, cgroupDirs(name)...)
	}
	return dirs
}

// Cgroup is the path of a cgroup that nothing else on the host has a use for. It
// need not exist.
func (m *Machine) Cgroup() string { return "/" + cgroupParent() + "/" + filepath.Base(m.Dir) }

// InCgroup reports whether a process is in a cgroup, or below it.
func InCgroup(path string) bool {
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range processes {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		for name := range memberships(pid) {
			if strings.HasPrefix("/"+name+"/", path+"/") {
				return true
			}
		}
	}
	return false
}

// namespace names the PID namespace of a process, "" if it has ended.
func namespace(pid int) string {
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if err != nil {
		return ""
	}
	return name
}

// memberships are the cgroups of a process, by their paths within a hierarchy.
func memberships(pid int) map[string]bool {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	paths := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		// ID:controllers:/path
		if f := strings.SplitN(strings.TrimSpace(line), ":", 3); len(f) == 3 {
			paths[strings.TrimPrefix(f[2], "/")] = true
		}
	}
	return paths
}
