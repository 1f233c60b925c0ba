//go:build e2e

// Package e2e tries safesock with real engines and real clients. A test looks at
// what listens and what a neighbour can reach, never at what safesock says.
//
//	tests/e2e/setup.sh 20.10 28.5                         once: roots with engines and clients
//	go test -tags e2e ./tests/e2e                         as root; Docker 20.10 and 28.5
//	go test -tags e2e ./tests/e2e -run TestSessions/28.5/ports_unset
//
// These variables change that: SAFESOCK_E2E_ENGINES=26.1,podman-5.8 chooses the
// engines, SAFESOCK_E2E_CACHE says where the roots are, and
// SAFESOCK_E2E_DIRECT=1 leaves safesock out of sessions.
//
// A new case is best a file: a terminal session in testdata/sessions, or an
// attack in attacks. Package lab has the machines that they run on.
package e2e
