package proxy

import (
	"slices"
	"sync"
)

// hostPorts remembers the host ports that were chosen for containers. Nothing
// listens on such a port before its container starts. The zero value remembers
// none.
type hostPorts struct {
	mu    sync.Mutex
	given []hostPort // the oldest first
}

type hostPort struct {
	protocol string
	port     int
}

// maxGiven bounds how many host ports are remembered.
const maxGiven = 1024

// choose has free find a port that was not chosen before, and remembers it. If
// there is none, it takes the port whose choice is the longest ago: the container
// may be gone.
func (h *hostPorts) choose(protocol string, first, last int, taken func(int) bool, free func(first, last int, taken func(int) bool) (int, error)) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	port, err := free(first, last, func(port int) bool { return taken(port) || slices.Contains(h.given, hostPort{protocol, port}) })
	for i := 0; err != nil && i < len(h.given); i++ {
		g := h.given[i]
		if inRange := first == 0 || first <= g.port && g.port <= last; inRange && g.protocol == protocol && !taken(g.port) {
			port, err = free(g.port, g.port, taken)
		}
	}
	if err != nil {
		return 0, err
	}
	chosen := hostPort{protocol, port}
	h.given = append(slices.DeleteFunc(h.given, func(g hostPort) bool { return g == chosen }), chosen)
	if len(h.given) > maxGiven {
		h.given = slices.Delete(h.given, 0, 1)
	}
	return port, nil
}
