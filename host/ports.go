package host

import (
	"fmt"
	"net"
	"net/netip"
)

// anyPortTries bounds how often the host is asked for any free port.
const anyPortTries = 64

// FreePort returns a port from first to last, or any port if first is 0, that is
// free on all of the addresses and for which taken returns false. The protocol
// is tcp, udp or sctp.
func (Machine) FreePort(protocol string, addrs []netip.Addr, first, last int, taken func(port int) bool) (int, error) {
	if first > 0 {
		for port := first; port <= last; port++ {
			if taken(port) {
				continue
			}
			if _, err := listen(protocol, addrs, port); err == nil {
				return port, nil
			}
		}
		return 0, fmt.Errorf("no %s port from %d to %d is free on %v", protocol, first, last, addrs)
	}
	var err error
	for range anyPortTries {
		var port int
		if port, err = listen(protocol, addrs, 0); err == nil && !taken(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no %s port is free on %v: %w", protocol, addrs, err)
}

// listen opens a port on all addresses for a moment and returns its number. If
// port is 0, it opens a free port.
func listen(protocol string, addrs []netip.Addr, port int) (int, error) {
	for _, addr := range addrs {
		at := netip.AddrPortFrom(addr, uint16(port))
		version := "4"
		if addr.Is6() {
			version = "6"
		}
		if protocol == "udp" {
			l, err := net.ListenUDP("udp"+version, net.UDPAddrFromAddrPort(at))
			if err != nil {
				return 0, err
			}
			defer l.Close()
			port = l.LocalAddr().(*net.UDPAddr).Port
			continue
		}
		// SCTP ports are asked for as TCP ports: few hosts have SCTP sockets.
		l, err := net.ListenTCP("tcp"+version, net.TCPAddrFromAddrPort(at))
		if err != nil {
			return 0, err
		}
		defer l.Close()
		port = l.Addr().(*net.TCPAddr).Port
	}
	return port, nil
}
