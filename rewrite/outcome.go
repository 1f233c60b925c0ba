package rewrite

import "github.com/safesock/safesock/policy"

// Outcome is a claim and what the policy decided about it. Ports with consecutive
// numbers that were decided alike are one outcome, and so is a port that was
// claimed again and again: Pointer, Before and After are those of the first.
type Outcome struct {
	Claim    policy.Claim
	Count    int    // how many claims the outcome stands for
	Pointer  string // JSON pointer of the claim in the body (RFC 6901); "?name" for a query parameter; "" for the call itself
	Decision policy.Decision
	Before   string // the JSON text that made the claim
	After    string // the JSON text sent instead; Before if nothing changed
	Wider    bool   // for a bound port without an address: the policy accepts every interface if the client names it
	HostPort string // the host port chosen for a port on several addresses, "" if none had to be chosen
}
