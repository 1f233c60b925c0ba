package rewrite

import "github.com/safesock/safesock/policy"

// Outcome is what came of one claim.
type Outcome struct {
	Claim    policy.Claim
	Pointer  string // JSON pointer of the claim in the body (RFC 6901); "?name" for a query parameter; "" for the call itself
	Decision policy.Decision
	Before   string // the JSON text that made the claim
	After    string // the JSON text sent instead; Before if nothing changed
	Wider    bool   // of a port without address that is bound: the policy takes it on every interface if the client asks for that
	HostPort string // of a port on several addresses: the one chosen for all of them, "" if none had to be
}
