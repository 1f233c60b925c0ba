// Package faults puts safesock between Engines and clients that misbehave, on a
// machine that runs out of things, and compares whole what each side sees, what
// the audit log has of it, and what is left behind.
//
//	go test ./tests/faults                                all tables
//	go test ./tests/faults -v | grep -- ---               the same, row by row
//	go test ./tests/faults -v -run BadEngine              one table
//	go test ./tests/faults -patience 3s                   fails sooner
//	go test ./tests/faults -v -run AtOnce -for 9m         everything at once, and a table of it
//
// What a client sees of a bad Engine is compared with what it sees of the same
// Engine without safesock.
package faults
