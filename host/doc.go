// Package host is what only the host can tell a proxy in front of a container
// engine: where paths lead, which network interfaces and bridges there are, and
// which ports are free. The host is the one that this process runs on, in the
// namespaces that it runs in.
//
// An error means that the host could not be asked. What does not exist is an
// answer, and no error.
package host

// Machine is this host. It is asked anew each time.
type Machine struct{}
