package host

import (
	"net"
	"net/netip"
)

// Addresses returns the addresses of one of the host's network interfaces.
func (Machine) Addresses(name string) ([]netip.Addr, error) {
	index, err := indexOf(name)
	if err != nil {
		return nil, err
	}
	i, err := net.InterfaceByIndex(index)
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
