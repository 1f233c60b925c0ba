package rewrite

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/safesock/safesock/rewrite/jsonedit"
)

// World answers questions about the Engine and the host. Its methods wait as long
// as the call may. An error refuses the call. That something does not exist is
// an answer, not an error.
type World interface {
	// Engine asks the Engine for GET path, as in "/images/web:1/json".
	Engine(path string) (Answer, error)
	// OwnsBuild reports whether a build, or a session of one, belongs to the
	// call's client. It does unless another client named it before.
	OwnsBuild(id string) bool
	// Resolve follows the symbolic links of an absolute path of the host, as
	// far as the path exists. A path with an error counts as the worst that it
	// could be.
	Resolve(path string) (resolved string, exists bool, err error)
	// GroupOf is the number of the group of a file of the host.
	GroupOf(path string) (int, error)
	// HasInterface reports whether the host has a network interface.
	HasInterface(name string) (bool, error)
	// Addresses are the addresses of a network interface of the host.
	Addresses(name string) ([]netip.Addr, error)
	// HasForeignPorts reports whether a bridge of the host has ports that
	// belong to no container.
	HasForeignPorts(bridge string) (bool, error)
	// FreePort finds a port from first to last, or any port if first is 0. The
	// port must be free on all addrs of the host, and must not be taken.
	FreePort(protocol string, addrs []netip.Addr, first, last int, taken func(port int) bool) (int, error)
}

// Elsewhere is the error of Resolve if the Engine's files are not those that
// safesock sees. It says why. Such a path is known by its text alone.
type Elsewhere string

func (e Elsewhere) Error() string { return string(e) }

// Answer is an answer of the Engine.
type Answer struct {
	Status int
	Body   []byte
	Docker bool // the answer's Server header names Docker
}

// maxLookups bounds the questions to the Engine and the host for one call.
const maxLookups = 1_000

// memory asks a World each question once. A call that is read twice gets the same
// answers.
type memory struct {
	World
	engine map[string]*remembered
	paths  map[string]resolution
	ports  map[int]bool // host ports that were chosen for this call
	asked  int
}

// remembered is an answer of the Engine. Its body is parsed when it is needed.
type remembered struct {
	Answer
	tree *jsonedit.Tree
}

// resolution is where a path of the host leads, or why nobody can tell.
type resolution struct {
	path      string
	missing   bool
	unseen    string
	elsewhere bool
}

func remember(w World) *memory {
	return &memory{World: w, engine: map[string]*remembered{}, paths: map[string]resolution{}, ports: map[int]bool{}}
}

// count counts a question before it is asked.
func (m *memory) count() *Refusal {
	if m.asked++; m.asked > maxLookups {
		return &Refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("safesock: the call names more than %d things that have to be looked up", maxLookups)}
	}
	return nil
}

// unknown is the refusal of a call after a question that failed.
func unknown(about, name string, err error) *Refusal {
	return &Refusal{http.StatusBadGateway, fmt.Sprintf("safesock: %s %s: %v", about, name, err)}
}

// get is the Engine's answer to GET path.
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

// resolve is a path of the host with symbolic links followed, or the path itself
// if it cannot be looked at.
func (m *memory) resolve(path string) (resolution, *Refusal) {
	if found, ok := m.paths[path]; ok {
		return found, nil
	}
	if refusal := m.count(); refusal != nil {
		return resolution{}, refusal
	}
	found := resolution{path: path}
	if resolved, exists, err := m.Resolve(path); err != nil {
		found.unseen = err.Error()
		found.elsewhere = errors.As(err, new(Elsewhere))
	} else {
		found.path, found.missing = resolved, !exists
	}
	m.paths[path] = found
	return found, nil
}

// freePort chooses a host port for a container's port on several addresses. The
// text host is a range, or empty for any port.
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
