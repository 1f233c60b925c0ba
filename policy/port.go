package policy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// KindPort is the kind of Port.
const KindPort Kind = "port"

// Port is a container port to be published on the host, or a run of container
// ports with consecutive numbers. Rules decide single ports; a run is several
// ports that were decided alike.
type Port struct {
	Container int    `json:"container"`      // the port in the container; 0 if the call does not say
	Last      int    `json:"last,omitempty"` // the last container port of a run; 0 for a single port
	Protocol  string `json:"protocol"`       // "tcp", "udp" or "sctp"
	Host      string `json:"host"`           // the host port as the client wrote it: a number, a range, or "" for any free one; for a run, all of its host ports
	IP        string `json:"ip"`             // the host address in its shortest spelling; "" if there is none, or none that an Engine can use
	Bindable  bool   `json:"bindable"`       // whether the API has a field for a host address
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

func (p Port) Effect() string { return "is published on " + p.PublishedOn() }

func (p Port) Infinitive() string { return "be published on " + p.PublishedOn() }

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

// EveryInterface is PublishedOn of a port without an address.
const EveryInterface = "every interface"

// PublishedOn says where the port would be published, as in "127.0.0.1:8080".
func (p Port) PublishedOn() string {
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

// portFacts are what rules see of a port.
type portFacts struct {
	Port
	scope string
}

func (p Port) facts(kept any) any {
	normalize(&p.Protocol, &p.Host)
	room := roomFor[portFacts](kept)
	room.Port = p
	room.IP, room.scope = classify(p.IP)
	return room
}

// The values of port.scope.
const (
	scopeUnset    = "unset"
	scopeAny      = "any"
	scopeLoopback = "loopback"
	scopeAddress  = "address"
)

// classify returns a host address in its shortest spelling, and its scope. A
// text that an Engine cannot use as an address is no address: the Engine would
// publish on every interface.
func classify(ip string) (shortest, scope string) {
	if ip == "" {
		return "", scopeUnset // without an error, which costs more
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil || addr.Zone() != "" {
		return "", scopeUnset
	}
	addr = addr.Unmap()
	switch {
	case addr.IsUnspecified():
		return addr.String(), scopeAny
	case addr.IsLoopback():
		return addr.String(), scopeLoopback
	}
	return addr.String(), scopeAddress
}

var portKind = KindSpec{KindPort, "A port published on the host.", []Action{Allow, Warn, Bind, Deny}, []Attribute{
	{Name: "container", Doc: "port in the container, 0 if the call does not say", synonyms: []string{"port", "number", "container_port", "target", "private"},
		Example: `port.container == 80`,
		get:     fact(func(p *portFacts) int { return p.Container })},
	{Name: "protocol", Doc: "transport protocol", synonyms: []string{"proto", "type"}, Values: []string{"tcp", "udp", "sctp"},
		Example: `port.protocol == "tcp"`,
		get:     fact(func(p *portFacts) string { return p.Protocol })},
	{Name: "host", Doc: `port on the host as the client wrote it: "8080", a range as in "8000-8010", or "" for any free one`, synonyms: []string{"host_port", "published", "public"},
		Example: `port.host == "8080"`,
		get:     fact(func(p *portFacts) string { return p.Host })},
	{Name: "ip", Doc: `address on the host in its shortest spelling, "" if there is none`, synonyms: []string{"hostip", "host_ip", "address", "addr"},
		spelling: func(text string) string { shortest, _ := classify(text); return shortest },
		advice:   "It is one IP address, or \"\". For this host alone or every interface, compare port.scope; for a network, write cidrcontains(cidr, port.ip).",
		Example:  `port.ip == "10.1.2.3"`,
		get:      fact(func(p *portFacts) string { return p.IP })},
	{Name: "scope", Doc: "what ip means: no usable address, every interface, this host alone, one address", Values: []string{scopeUnset, scopeAny, scopeLoopback, scopeAddress},
		Example: `port.scope == "address"`,
		get:     fact(func(p *portFacts) string { return p.scope })},
	{Name: "bindable", Doc: "whether the call has a place for a host address; swarm's calls have none",
		Example: `port.bindable`,
		get:     fact(func(p *portFacts) bool { return p.Bindable })},
}}
