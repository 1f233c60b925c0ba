//go:build linux && !portable

package host

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/vishvananda/netlink"
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

// linkNamed returns the network interface that a name or an alternative name
// (ip-link(8), property) belongs to, and nil if there is none. The kernel takes
// either wherever an Engine names an interface.
func linkNamed(name string) (netlink.Link, error) {
	link, err := netlink.LinkByName(name)
	var none netlink.LinkNotFoundError
	switch {
	case errors.As(err, &none):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("netlink: %w", err)
	}
	return link, nil
}

// indexOf returns the number of the network interface that has a name.
func indexOf(name string) (int, error) {
	link, err := linkNamed(name)
	switch {
	case err != nil:
		return 0, err
	case link == nil:
		return 0, errors.New("no such network interface")
	}
	return link.Attrs().Index, nil
}

// HasInterface reports whether the host has a network interface.
func (Machine) HasInterface(name string) (bool, error) {
	link, err := linkNamed(name)
	return link != nil, err
}

// HasForeignPorts reports whether a bridge has ports other than those that
// engines make for containers: veth interfaces whose other end is in another
// network namespace.
func (Machine) HasForeignPorts(bridge string) (bool, error) {
	link, err := linkNamed(bridge)
	if link == nil || err != nil {
		return false, err
	}
	links, err := allLinks()
	if err != nil {
		return false, err
	}
	for _, port := range links {
		at := port.Attrs()
		ownNamespace := at.NetNsID < 0 // then the kernel gives no number
		if at.MasterIndex == link.Attrs().Index && (port.Type() != "veth" || ownNamespace || !strings.HasPrefix(at.Name, "veth")) {
			return true, nil
		}
	}
	return false, nil
}

// maxListings bounds how often a list is asked for that changes meanwhile.
const maxListings = 10

// allLinks returns the host's network interfaces. The kernel interrupts a listing
// when interfaces come and go.
func allLinks() (links []netlink.Link, err error) {
	for range maxListings {
		if links, err = netlink.LinkList(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("netlink: %w", err)
	}
	return links, nil
}
