package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safesock/safesock/host"
)

const upstreamHelp = `The Engine is the one that --upstream names, or else that of DOCKER_HOST, or
else the first of these that is there and may be used:
/var/run/docker.sock, $XDG_RUNTIME_DIR/docker.sock (rootless Docker),
~/.docker/desktop/docker.sock, ~/.docker/run/docker.sock (Docker Desktop),
/run/podman/podman.sock and $XDG_RUNTIME_DIR/podman/podman.sock.
safesock's own socket is never taken for the Engine's.`

// engine is the socket that safesock guards, with how it was found.
type engine struct {
	path   string
	source string // what named it: "--upstream", "DOCKER_HOST", "found" or "awaited" at a usual place
}

// findEngine finds the Engine's socket: the socket that the flag names, or else the
// socket of DOCKER_HOST, or else a socket at a usual place. It never returns one of
// safesock's own sockets, whatever symbolic links lead to it.
func findEngine(flag, host string, usual []string, own ...string) (engine, error) {
	if flag != "" {
		path, err := socketPath(flag)
		if err != nil {
			return engine{}, fmt.Errorf("--upstream %s: %w", flag, err)
		}
		// own[0] is the socket to listen on; another safesock may be guarded
		// if it is asked for.
		if same(path, own[0]) {
			return engine{}, fmt.Errorf("--upstream %s: this is the socket that safesock itself listens on", flag)
		}
		return engine{path, "--upstream"}, nil
	}
	if host != "" {
		path, err := socketPath(host)
		if err != nil {
			return engine{}, fmt.Errorf("DOCKER_HOST=%s: %w", host, err)
		}
		if !sameAsAny(path, own) {
			return engine{path, "DOCKER_HOST"}, nil
		}
	}
	for _, path := range usual {
		if !sameAsAny(path, own) && usable(path) {
			return engine{path, "found"}, nil
		}
	}
	// The Engine may be down, and come later.
	for _, path := range usual {
		if !sameAsAny(path, own) {
			return engine{path, "awaited"}, nil
		}
	}
	return engine{}, errors.New("no Engine's socket found: name it with --upstream unix:///PATH")
}

// usualEngines returns the paths where Engines usually listen, in the order in which
// they are tried.
func usualEngines() []string {
	places := []string{"/var/run/docker.sock"}
	runtime, home := os.Getenv("XDG_RUNTIME_DIR"), os.Getenv("HOME")
	if runtime != "" {
		places = append(places, filepath.Join(runtime, "docker.sock"))
	}
	if home != "" {
		places = append(places, filepath.Join(home, ".docker/desktop/docker.sock"), filepath.Join(home, ".docker/run/docker.sock"))
	}
	places = append(places, "/run/podman/podman.sock")
	if runtime != "" {
		places = append(places, filepath.Join(runtime, "podman/podman.sock"))
	}
	return places
}

// socketPath returns the path of an address, which is unix://PATH or a path.
func socketPath(address string) (string, error) {
	scheme, path, found := strings.Cut(address, "://")
	if !found {
		scheme, path = "unix", address
	}
	switch {
	case scheme != "unix":
		return "", fmt.Errorf("safesock guards an Engine on a Unix socket of this machine, not one behind %s; name it with --upstream unix:///PATH", scheme)
	case !filepath.IsAbs(path):
		return "", errors.New("the path of a socket has to be absolute, as in unix:///var/run/docker.sock")
	}
	return filepath.Clean(path), nil
}

// usable reports whether path is a socket that this process may connect to.
func usable(path string) bool {
	stat, err := os.Stat(path)
	return err == nil && stat.Mode().Type() == os.ModeSocket && unix.Access(path, unix.W_OK) == nil
}

func sameAsAny(path string, others []string) bool {
	for _, other := range others {
		if same(path, other) {
			return true
		}
	}
	return false
}

// same reports whether two paths lead to the same file, which need not exist yet.
func same(a, b string) bool {
	one, _, oneErr := (host.Machine{}).Resolve(a)
	other, _, otherErr := (host.Machine{}).Resolve(b)
	if a == b || oneErr == nil && otherErr == nil && one == other {
		return true
	}
	is, err := host.SameFile(a, b)
	return err == nil && is
}
