// Package safesock holds the policy that is in force when a user has not
// written one. The program is cmd/safesock.
package safesock

import _ "embed"

// Policy is the built-in policy, policy.hcl, which is also the reference of
// the policy language.
//
//go:embed policy.hcl
var Policy []byte
