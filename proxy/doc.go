// Package proxy stands between clients and the Engine. It owns every socket,
// file and goroutine: it listens, pairs each client's connection with one of
// its own to the Engine, moves requests and answers byte for byte, and hands
// the calls of rewrite.Endpoints to rewrite.Apply before they go on. Each of
// those is written to the audit log first.
package proxy
