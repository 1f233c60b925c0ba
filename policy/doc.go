// Package policy decides claims. Policies, written in HCL, go in; for each
// claim that a call makes on the host, a decision comes out. It knows HCL and
// nothing of Docker, and does no I/O: files are read, and calls are taken
// apart into claims, by its callers.
//
// Parse reads policies and tells every mistake in them at once, with its line.
// Policy.For and Decider.Decide give the decisions about one call. Schema is
// the language: a new attribute, action or function is a row of it, from which
// the checks, the values that expressions see and the reference follow.
package policy
