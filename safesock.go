// Package safesock is a proxy on a Unix socket in front of the Docker Engine's socket.
// It reads each API call that can open a port, join a network, mount a path of
// the host or grant a privilege, and a policy decides what becomes of the call:
// it is forwarded, changed or refused. With the built-in policy, a port that a
// client publishes without an address is published on 127.0.0.1 instead of
// every interface. Everything else reaches the Engine byte for byte. Each change
// is written to an audit log and reported to the client.
//
// The program is cmd/safesock:
//
//	safesock serve                              # the proxy
//	safesock explain docker run -p 80:80 web    # what a call would come to
//
// README.md says how to install and use it, docs/policy.md how to write a
// policy, and SECURITY.md where its promises end.
//
// This package holds the built-in policy, which is in force where the user's
// own rules decide nothing.
package safesock

import (
	_ "embed"

	"github.com/safesock/safesock/policy"
)

//go:embed policy.hcl
var policyHCL []byte

// Policy is the built-in policy, policy.hcl, which is also the reference of
// the policy language. Messages call it built-in, so that it is not taken for
// a user's file of the same name.
var Policy = policy.File{Name: "built-in", Src: policyHCL, Builtin: true}
