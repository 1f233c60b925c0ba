// Package safesock holds the policy that is in force when a user has not
// written one. The program is cmd/safesock.
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
