// Package rewrite reads Engine API calls as the Engine would, lets a policy
// decide what they claim on the host, and edits the bytes that a decision
// changes. Calls go in, edited calls come out. It knows Docker's types and
// does no I/O: what only the Engine or the host can tell is asked of the
// caller, who finds it out and applies again.
//
// Endpoints is the table of every call that is read; Apply is the way of one
// call through it. An error means that the call must not be forwarded.
package rewrite
