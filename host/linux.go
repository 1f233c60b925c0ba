//go:build linux && !portable

package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// inProc reports whether a folder belongs to a /proc, wherever that is mounted.
func inProc(folder string) (bool, error) {
	var system unix.Statfs_t
	if err := unix.Statfs(folder, &system); err != nil {
		return false, &fs.PathError{Op: "statfs", Path: folder, Err: err}
	}
	return system.Type == unix.PROC_SUPER_MAGIC, nil
}

// HasInterface reports whether the host has a network interface.
func (Machine) HasInterface(name string) (bool, error) { return hasInterface(sysNet, name) }

// HasForeignPorts reports whether a bridge has ports other than the virtual
// ones that engines make for containers.
func (Machine) HasForeignPorts(bridge string) (bool, error) { return hasForeignPorts(sysNet, bridge) }

// sysNet holds a folder for each of the host's network interfaces.
const sysNet = "/sys/class/net"

// hasInterface is HasInterface for a folder like sysNet.
func hasInterface(sysNet, name string) (bool, error) {
	_, err := os.Stat(filepath.Join(sysNet, filepath.Base(name)))
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(sysNet) // without a /sys, nothing is known of the interfaces
		return false, err
	}
	return err == nil, err
}

// hasForeignPorts is HasForeignPorts for a folder like sysNet.
func hasForeignPorts(sysNet, bridge string) (bool, error) {
	ports, err := os.ReadDir(filepath.Join(sysNet, filepath.Base(bridge), "brif"))
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(sysNet)
		return false, err
	}
	for _, port := range ports {
		if !strings.HasPrefix(port.Name(), "veth") {
			return true, nil
		}
	}
	return false, err
}
