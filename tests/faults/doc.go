// Package faults puts safesock between Engines and clients that misbehave, on a
// machine that runs out of things, and compares whole what each side sees, what
// the audit log has of it, and what is left behind.
//
//	go test ./tests/faults                        all tables
//	go test ./tests/faults -table                 the same, and prints them
//	go test ./tests/faults -run BadEngine -v      one table, row by row
//	go test ./tests/faults -run Soak -for 9m      everything at once, for a while
//
// What a client sees of a bad Engine is compared with what it sees of the same
// Engine without safesock.
package faults
