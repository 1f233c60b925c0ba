//go:build !linux || portable

package host

import (
	"net"
	"slices"
	"strings"
)

// inProc takes /proc for a file system that shows processes, if it is there.
func inProc(folder string) (bool, error) {
	return folder == "/proc" || strings.HasPrefix(folder, "/proc/"), nil
}

// indexOf returns the number of the network interface that has a name.
func indexOf(name string) (int, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return 0, err
	}
	return i.Index, nil
}

// HasInterface reports whether the host has a network interface.
func (Machine) HasInterface(name string) (bool, error) {
	all, err := net.Interfaces()
	return slices.ContainsFunc(all, func(i net.Interface) bool { return i.Name == name }), err
}

// HasForeignPorts would report whether a bridge has ports that are not a
// container's. Since that is not known here, each bridge counts as having some.
func (Machine) HasForeignPorts(string) (bool, error) { return true, nil }

// SightOf compares this system with the one that an Engine describes.
func SightOf(_ string, engine System) (Sight, error) {
	own, err := thisSystem()
	if err != nil || engine == own {
		return Sight{}, err
	}
	return nothingOf(engine), nil
}
