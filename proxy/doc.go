// Package proxy stands between clients and the Engine. It owns the sockets, the
// goroutines and the audit log. What a call means is up to package rewrite, and
// what may happen is up to package policy.
//
// A [Server] serves a listener, usually one that [Listen] has made:
//
//	audit, err := proxy.OpenAudit("/var/log/safesock/audit.log")
//	…
//	server := proxy.Server{
//		Upstream: "/run/docker.sock",
//		Listen:   "/run/safesock/docker.sock",
//		Audit:    audit,
//		Drain:    10 * time.Second,
//	}
//	server.SetPolicy(rules) // again at any time, for the calls that begin later
//	listener, err := proxy.Listen(server.Listen, 0o660, "docker")
//	…
//	err = server.Serve(ctx, listener)
//
// Clients send requests of HTTP/1 or HTTP/2, and the raw streams that attach,
// exec and BuildKit make of a connection. The Engine gets the same bytes, except
// where the policy has edited a call. The client gets the Engine's answer. If the
// policy has changed something, the answer says so in its warnings, or the log
// does if the answer has no place for warnings.
//
// A call that the policy refuses never reaches the Engine: safesock answers with
// the reason, in the form of the Engine's errors. A request that safesock and the
// Engine could read differently is refused as well, and its connection closed.
//
// Each client's connection has one of its own to the Engine, and two goroutines.
// A call goes through the files in this order:
//
//	serve.go       accepts the client, and waits for it at the end of serving
//	connection.go  what its two goroutines share, and how a connection ends
//	requests.go    takes one request after the other: reads the head, finds the
//	               endpoint, and sends the request on or has it intercepted
//	intercept.go   reads the body of an intercepted call, has it decided, and
//	               sends on the call as it was edited
//	decide.go      asks rewrite for the decision, and writes it to the audit log
//	world.go       answers what rewrite asks about the Engine and the host
//	audit.go       the audit log
//	refusal.go     what a client is told of a call that goes no further
//	answers.go     moves the answers, adds warnings to those that take them, and
//	               puts the names that a client used back into errors
//
// server.go holds what all connections share: the options, the policy in force
// and the list of the connections. shares.go bounds the descriptors of each user,
// and memory.go what all calls take while they are read and decided. The bytes are moved by files that know nothing
// of calls:
//
//	head.go        the heads of requests and answers
//	chunks.go      where a chunked body ends
//	socket.go      a socket and the bytes that were read ahead of their use
//	move.go        moves bodies from socket to socket
//	linux.go       the same by splice(2); portable.go is for other systems
//
// A client that speaks HTTP/2 leaves this path after requests.go: http2.go serves
// its connection, and http2stream.go decides and moves each call.
package proxy
