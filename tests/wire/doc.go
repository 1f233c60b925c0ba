// Package wire plays random conversations through safesock, to find bytes that
// it loses, changes, holds back or reorders.
//
// A client and an Engine make the same plan from a seed and play it on both
// sides of a proxy.Server: requests and answers of every framing, cut and
// paused anywhere, early and late, several a connection, raw streams, halves
// that end first, a party that leaves. Each compares every byte that it hears,
// heads included, with what the plan lets the other say. Only the plan's own
// pauses take time, so a conversation that takes longer than patience hangs.
//
//	go test -count 1 ./tests/wire                  5000 conversations that were not played before
//	go test ./tests/wire -conversations 300000     more of them
//	go test ./tests/wire -seed 1234                the one that a failure names
//	go test ./tests/wire -seed 1234 -count 100     the same, for what depends on timing
//
// A failure prints the plan: what each exchange is, then each move of both
// parties in an order in which they could happen. Numbers count the bytes of a
// party from the beginning of the connection. A move waits only for what it
// names. A plan that fails without safesock as well is wrong itself.
package wire
