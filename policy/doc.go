// Package policy decides claims. Policies, written in HCL, go in; for each
// claim that a call makes on the host, a decision comes out. It knows HCL and
// nothing of Docker, and does no I/O: files are read, and calls are taken
// apart into claims, by its callers.
package policy
