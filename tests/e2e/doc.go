//go:build e2e

// Package e2e tries safesock with real engines and real clients. What listens
// and what a neighbour can reach decides, never what safesock says.
//
//	tests/e2e/setup.sh 20.10 28.5                         once: roots with engines and clients
//	go test -tags e2e ./tests/e2e                         as root; Docker 20.10 and 28.5
//	go test -tags e2e ./tests/e2e -run TestSessions/28.5/ports_unset
//
// The environment says more: SAFESOCK_E2E_ENGINES=26.1,podman-5.8 which engines,
// SAFESOCK_E2E_CACHE where the roots are, SAFESOCK_E2E_DIRECT=1 to leave
// safesock out of sessions.
//
// A new case is best a file: a terminal session in testdata/sessions, or an
// attack in attacks. Package lab has the machines that they run on.
package e2e
