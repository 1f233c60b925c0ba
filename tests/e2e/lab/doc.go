//go:build e2e

// Package lab makes small private networks to try real engines and clients in:
//
//	neighbour 192.0.2.2, 2001:db8::2 ── lan0 ── 192.0.2.1, 2001:db8::1 machine
//
// The machine is a Debian of its own: a root folder made by setup.sh, below its
// own mount, PID, network, UTS and IPC namespaces. It runs the Engine, safesock
// and the clients at the paths where a person would have them. The neighbour
// is another host on its LAN; what it can connect to is exposed.
//
// All that a lab makes goes when its first process ends, which happens when the
// test ends in whatever way: that process waits for the end of a pipe that the
// test holds. What is left then is a folder below Run and empty cgroups, and the next run
// removes them.
package lab
