package policy

import (
	"fmt"
	"net/netip"
	"strings"
)

// Port is a container port to be published on the host.
type Port struct {
	Container int    `json:"container"` // the port in the container; 0 if the call does not tell
	Protocol  string `json:"protocol"`  // "tcp", "udp" or "sctp"
	Host      string `json:"host"`      // the host port as the client wrote it: a number, a range, or "" for any free one
	IP        string `json:"ip"`        // the host address in its shortest spelling; "" if there is none, or none that an Engine can use
	Bindable  bool   `json:"bindable"`  // whether the API has a place for a host address
}

func (Port) Kind() Kind { return KindPort }

func (p Port) Subject() string {
	if p.Container == 0 {
		return "a " + p.Protocol + " port"
	}
	return fmt.Sprintf("%d/%s", p.Container, p.Protocol)
}

func (p Port) Effect() string { return "is published on " + p.Place() }

func (p Port) Infinitive() string { return "be published on " + p.Place() }

func (p Port) Title() string {
	if p.Container == 0 {
		return "port " + p.Protocol
	}
	return fmt.Sprintf("port %d/%s", p.Container, p.Protocol)
}

// Asked is the address and the port as docker ps shows them, with * for every
// interface and for any free port.
func (p Port) Asked() string {
	ip, host := p.IP, p.Host
	switch {
	case ip == "":
		ip = "*"
	case strings.Contains(ip, ":"):
		ip = "[" + ip + "]"
	}
	if host == "" || host == "0" {
		host = "*"
	}
	return ip + ":" + host
}

func (Port) Written() string { return "" }

// EveryInterface is the Place of a port without an address.
const EveryInterface = "every interface"

// Place is where the port asks to be published.
func (p Port) Place() string {
	addr, err := netip.ParseAddr(p.IP)
	if err != nil || addr.IsUnspecified() {
		return EveryInterface
	}
	ip := p.IP
	if strings.Contains(ip, ":") {
		ip = "[" + ip + "]"
	}
	if p.Host == "" {
		return "a free port of " + ip
	}
	return ip + ":" + p.Host
}
