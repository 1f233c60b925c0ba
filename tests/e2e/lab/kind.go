//go:build e2e

package lab

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Kind is an Engine to test with.
type Kind struct {
	Name   string   // as setup.sh and SAFESOCK_E2E_ENGINES call it
	Suite  string   // the Debian that has it
	Serve  []string // the command that serves its API
	Socket string   // where it serves it
	HTTP2  bool     // it speaks HTTP/2 there with who begins with it
}

// kinds are the engines that setup.sh knows to get.
var kinds = []Kind{
	{Name: "20.10", Suite: "bookworm", Serve: dockerd, Socket: dockerSocket},
	{Name: "26.1", Suite: "trixie", Serve: dockerd, Socket: dockerSocket},
	{Name: "28.5", Suite: "sid", Serve: dockerd, Socket: dockerSocket},
	{Name: "29", Suite: "sid", Serve: []string{"/opt/moby/dockerd"}, Socket: dockerSocket, HTTP2: true}, // which sid has no package of
	{Name: "podman-4.3", Suite: "bookworm", Serve: podman, Socket: podmanSocket},
	{Name: "podman-5.4", Suite: "trixie", Serve: podman, Socket: podmanSocket},
	{Name: "podman-5.8", Suite: "sid", Serve: podman, Socket: podmanSocket},
}

const (
	dockerSocket = "/run/docker.sock"
	podmanSocket = "/run/podman/podman.sock"
)

var (
	dockerd = []string{"dockerd"}
	podman  = []string{"podman", "--cgroup-manager=cgroupfs", "system", "service", "--time=0", "unix://" + podmanSocket}
)

// Podman reports whether the engine is Podman.
func (k Kind) Podman() bool { return strings.HasPrefix(k.Name, "podman") }

// Kinds are the engines to test with: those that SAFESOCK_E2E_ENGINES names,
// separated by commas, or Docker's oldest and newest.
func Kinds() ([]Kind, error) {
	names := os.Getenv("SAFESOCK_E2E_ENGINES")
	if names == "" {
		names = "20.10,28.5"
	}
	var chosen []Kind
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("SAFESOCK_E2E_ENGINES: there is no engine %q", name)
		}
		chosen = append(chosen, kinds[i])
	}
	return chosen, nil
}
