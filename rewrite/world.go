package rewrite

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/safesock/safesock/rewrite/jsonedit"
)

// World is what a call has to know of the Engine and the host. Its methods
// wait as long as the call may. An error refuses the call: "there is no such
// thing" is an answer, and no error.
type World interface {
	// Engine asks the Engine for GET path, as in "/images/web:1/json".
	Engine(path string) (Answer, error)
	// Resolve follows the symbolic links of an absolute path of the host, as
	// far as the path exists.
	Resolve(path string) (resolved string, exists bool, err error)
	// HasInterface reports whether the host has a network interface.
	HasInterface(name string) (bool, error)
	// Addresses are those of one of the host's network interfaces.
	Addresses(name string) ([]netip.Addr, error)
	// HasForeignPorts reports whether a bridge of the host has ports that are
	// no container's.
	HasForeignPorts(bridge string) (bool, error)
	// FreePort finds a port from first to last, or any port if first is 0, that
	// is free on all of the host's addresses given, and is not taken.
	FreePort(protocol string, addrs []netip.Addr, first, last int, taken func(port int) bool) (int, error)
}

// Answer is what the Engine answers.
type Answer struct {
	Status int
	Body   []byte
	Docker bool // the Engine called itself Docker in the answer's header
}

// maxLookups bounds how often one call has the Engine and the host asked.
const maxLookups = 1_000

// memory is a World that is asked once for each thing, so that a call which is
// read twice is read in the same world.
type memory struct {
	World
	engine map[string]*remembered
	paths  map[string]string
	ports  map[int]bool // those that this call was given
	asked  int
}

// remembered is an answer of the Engine. Its body is parsed when it is needed.
type remembered struct {
	Answer
	tree *jsonedit.Tree
}

func remember(w World) *memory {
	return &memory{World: w, engine: map[string]*remembered{}, paths: map[string]string{}, ports: map[int]bool{}}
}

// count is called before each question that is asked.
func (m *memory) count() *Refusal {
	if m.asked++; m.asked > maxLookups {
		return &Refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("safesock: the call names more than %d things that have to be looked up", maxLookups)}
	}
	return nil
}

// unknown refuses a call that depends on what could not be looked up.
func unknown(about, name string, err error) *Refusal {
	return &Refusal{http.StatusBadGateway, fmt.Sprintf("safesock: %s %s: %v", about, name, err)}
}

// get is what the Engine answers to GET path.
func (m *memory) get(path string) (*remembered, *Refusal) {
	if a, ok := m.engine[path]; ok {
		return a, nil
	}
	if refusal := m.count(); refusal != nil {
		return nil, refusal
	}
	answer, err := m.Engine(path)
	if err != nil {
		return nil, unknown("engine", path, err)
	}
	a := &remembered{Answer: answer}
	m.engine[path] = a
	return a, nil
}

// resolve is a path of the host without symbolic links.
func (m *memory) resolve(path string) (string, *Refusal) {
	if resolved, ok := m.paths[path]; ok {
		return resolved, nil
	}
	if refusal := m.count(); refusal != nil {
		return "", refusal
	}
	resolved, _, err := m.Resolve(path)
	if err != nil {
		return "", unknown("path", path, err)
	}
	m.paths[path] = resolved
	return resolved, nil
}

// freePort is a host port for a container's port that goes to several
// addresses. The text host is a range, or empty for any port.
func (m *memory) freePort(protocol string, addrs []netip.Addr, host string) (string, *Refusal) {
	if refusal := m.count(); refusal != nil {
		return "", refusal
	}
	first, last, err := hostPorts(host)
	port := 0
	if err == nil {
		port, err = m.FreePort(protocol, addrs, first, last, func(port int) bool { return m.ports[port] })
	}
	if err != nil {
		return "", unknown("port", fmt.Sprint(protocol, " ", addrs, " ", host), err)
	}
	m.ports[port] = true
	return strconv.Itoa(port), nil
}

// hostPorts are the first and the last number of a host port in its shortest
// spelling, 0 if any port will do.
func hostPorts(host string) (first, last int, err error) {
	if host == "" {
		return 0, 0, nil
	}
	low, high, isRange := strings.Cut(host, "-")
	if first, err = strconv.Atoi(low); err != nil || !isRange {
		return first, first, err
	}
	last, err = strconv.Atoi(high)
	return first, last, err
}
