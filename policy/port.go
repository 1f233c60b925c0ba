package policy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Port is a container port to be published on the host, or a run of container
// ports with consecutive numbers. Rules decide single ports; a run is several of
// them that were decided alike.
type Port struct {
	Container int    `json:"container"`      // the port in the container; 0 if the call does not tell
	Last      int    `json:"last,omitempty"` // the last container port of a run; 0 for a single port
	Protocol  string `json:"protocol"`       // "tcp", "udp" or "sctp"
	Host      string `json:"host"`           // the host port as the client wrote it: a number, a range, or "" for any free one; for a run, all of its host ports
	IP        string `json:"ip"`             // the host address in its shortest spelling; "" if there is none, or none that an Engine can use
	Bindable  bool   `json:"bindable"`       // whether the API has a place for a host address
}

func (Port) Kind() Kind { return KindPort }

func (p Port) Subject() string {
	if p.Container == 0 {
		return "a " + p.Protocol + " port"
	}
	return p.Numbers() + "/" + p.Protocol
}

// Numbers is the container port as text, or the first and the last port of a run,
// as in "8000-8010".
func (p Port) Numbers() string {
	if p.Last == 0 {
		return strconv.Itoa(p.Container)
	}
	return fmt.Sprintf("%d-%d", p.Container, p.Last)
}

func (p Port) Effect() string { return "is published on " + p.Place() }

func (p Port) Infinitive() string { return "be published on " + p.Place() }

func (p Port) Title() string {
	if p.Container == 0 {
		return "port " + p.Protocol
	}
	return "port " + p.Subject()
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
