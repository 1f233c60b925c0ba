// Package host answers what only the host can tell a proxy in front of a
// container engine: where paths lead, which network interfaces and bridges there
// are, which ports are free, and which process is at the other end of a Unix
// socket. The host is the system that this process runs on, seen from the
// namespaces that the process runs in.
//
//	resolved, exists, err := host.Machine{}.Resolve("/var/run/docker.sock")
//
// An error means that the host could not be asked. "There is no such path" and
// "there is no such interface" are answers, not errors. An Engine can see another
// system than this process does; SightOf finds that out.
//
// What only Linux can tell is in linux.go. Its twin portable.go is for other
// systems, and for Linux with the build tag portable, which is how the twin is
// tested: there, every bridge counts as having ports that are not a container's,
// and each link below /proc as leading into a process. A client is known by
// peer_linux.go or peer_bsd.go: macOS and FreeBSD tell no command of a client, so
// that a rule which asks for one refuses the call, and at most 16 of its groups.
// A client on FreeBSD has no process number either.
package host

// Machine is this host. Each call asks the system anew.
type Machine struct{}
