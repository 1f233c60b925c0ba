package host

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// HasInterface reports whether the host has a network interface.
func (Machine) HasInterface(name string) (bool, error) { return hasInterface(sysNet, name) }

// HasForeignPorts reports whether a bridge has ports other than the virtual
// ones that engines make for containers.
func (Machine) HasForeignPorts(bridge string) (bool, error) { return hasForeignPorts(sysNet, bridge) }

// Addresses are those of one of the host's network interfaces.
func (Machine) Addresses(name string) ([]netip.Addr, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	nets, err := i.Addrs()
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for _, n := range nets {
		prefix, err := netip.ParsePrefix(n.String())
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, prefix.Addr())
	}
	return addrs, nil
}

// sysNet holds a folder for each of the host's network interfaces.
const sysNet = "/sys/class/net"

// hasInterface is HasInterface for a folder like sysNet.
func hasInterface(sysNet, name string) (bool, error) {
	_, err := os.Stat(filepath.Join(sysNet, filepath.Base(name)))
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(sysNet) // a host without a /sys does not show what it has
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
