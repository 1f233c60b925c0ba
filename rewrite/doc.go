// Package rewrite reads calls of the Engine's API as the Engine does, asks a
// policy about everything that they claim on the host, and edits the bytes that
// a decision changes.
//
// A Call goes in: a request with its whole body, and where Route says that it
// leads. A Result comes out: the target and the body to send, and an Outcome for
// each claim. An error is a *Refusal, and the call must not be forwarded. What
// only the Engine or the host knows is asked of a World. The package opens no
// file or socket itself.
//
//	target, err := url.ParseRequestURI(r.RequestURI)
//	if err != nil {
//		return err
//	}
//	match, err := rewrite.Route(r.Method, target)
//	if err != nil {
//		return err // a *Refusal
//	}
//	result, err := rewrite.Apply(policy, rewrite.Call{
//		Match: match, URL: target, Header: r.Header, Body: body, Time: time.Now(),
//		Upstream: "/run/docker.sock", Listen: "/run/safesock/docker.sock",
//	}, world)
//	for _, o := range result.Outcomes {
//		log.Print(o.Pointer, o.Decision, o.Warning())
//	}
//	if err != nil {
//		return err // a *Refusal
//	}
//	return forward(result.Target, result.Body)
//
// # Files, from the bottom up
//
// No file uses a file below it in this list.
//
//   - jsonedit, a package of its own: byte-exact JSON.
//   - refusal, outcome, message: what callers see, and what users are told.
//   - world: what is asked of the Engine and the host, each question once.
//   - claim: a policy.Claim and its place in the call, or a run of ports; portList,
//     a list of published ports.
//   - reading: a call while it is read: body, claims, the first refusal.
//   - lookups, target, ports, versions: objects of the Engine, the query and the
//     path, spellings of ports, API versions.
//   - portlists: claims the ports of a list, and writes what decisions change in it.
//   - publish, attachments, mounts, privileges: what a container, network or
//     volume claims, one file for each kind of claim.
//   - existing: what a container that the Engine has claims.
//   - the readers, one function for each endpoint: containers, networks, volumes,
//     build, plugins, services, swarm, libpod and libpodports.
//   - endpoints: the table of intercepted routes. To read one more, add a row and
//     a reader. reviewed: the routes that claim nothing.
//   - route, http2: from a request to its row in the table.
//   - apply: reads, decides, edits, and reads the edited call again.
//   - answer: adds warnings to the Engine's answer, or puts names back into its errors.
//
// The cases in testdata are calls with a policy and what comes of them; write a
// call and run go test -update.
package rewrite
