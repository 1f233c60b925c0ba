package proxy

import (
	"context"
	"fmt"
	"io"
	"net/netip"

	"github.com/safesock/safesock/host"
	"github.com/safesock/safesock/rewrite"
)

// callWorld is a [rewrite.World]: it answers what the decision on one call asks
// about the Engine and the host.
type callWorld struct {
	host.Machine
	server *Server
	uid    int   // of the call's client
	answer *room // of the last long answer
	// waiting returns a context that ends when the call's client is gone. stop
	// has to be called before anything is read from the client.
	waiting func() (ctx context.Context, stop func())
}

// Resolve resolves every name of the guarded socket to the same path.
func (w callWorld) Resolve(path string) (resolved string, exists bool, err error) {
	sight, err := w.sight()
	switch {
	case err != nil:
		return "", false, err
	case sight.Paths != "":
		return "", false, rewrite.Elsewhere("safesock does not see the Engine's files: " + sight.Paths)
	}
	return w.ResolveAs(path, w.server.guarded)
}

func (w callWorld) OwnsBuild(id string) bool { return w.server.builds.owns(id, w.uid) }

// GroupOf fails if safesock does not see the Engine's files.
func (w callWorld) GroupOf(path string) (int, error) {
	sight, err := w.sight()
	switch {
	case err != nil:
		return 0, err
	case sight.Paths != "":
		return 0, rewrite.Elsewhere(sight.Paths)
	}
	return w.Machine.GroupOf(path)
}

// HasInterface is true of each interface if safesock does not see the Engine's.
func (w callWorld) HasInterface(name string) (bool, error) {
	sight, err := w.sight()
	if err != nil || sight.Interfaces != "" {
		return err == nil, err
	}
	return w.Machine.HasInterface(name)
}

// HasForeignPorts is true of each bridge if safesock does not see the Engine's.
func (w callWorld) HasForeignPorts(bridge string) (bool, error) {
	sight, err := w.sight()
	if err != nil || sight.Interfaces != "" {
		return err == nil, err
	}
	return w.Machine.HasForeignPorts(bridge)
}

// Addresses fails if safesock does not see the Engine's interfaces.
func (w callWorld) Addresses(name string) ([]netip.Addr, error) {
	sight, err := w.sight()
	switch {
	case err != nil:
		return nil, err
	case sight.Interfaces != "":
		return nil, fmt.Errorf("safesock does not see the Engine's network interfaces: %s", sight.Interfaces)
	}
	return w.Machine.Addresses(name)
}

// sight is what safesock sees of the Engine's host.
func (w callWorld) sight() (host.Sight, error) {
	if known := w.server.sight.Load(); known != nil {
		return *known, nil
	}
	ctx, stop := w.waiting()
	defer stop()
	return w.server.LookAround(ctx)
}

// FreePort finds a free host port, if it can one that was not chosen for another
// container.
func (w callWorld) FreePort(protocol string, addrs []netip.Addr, first, last int, taken func(port int) bool) (int, error) {
	return w.server.hostPorts.choose(protocol, first, last, taken, func(first, last int, taken func(int) bool) (int, error) {
		return w.Machine.FreePort(protocol, addrs, first, last, taken)
	})
}

// Engine sends the Engine a GET, and waits for the answer as long as the client
// waits: another call can lock a container for any time.
func (w callWorld) Engine(path string) (rewrite.Answer, error) {
	if err := w.server.shares.take(w.uid, 1); err != nil {
		return rewrite.Answer{}, fmt.Errorf("cannot ask the Engine: %w", err)
	}
	defer w.server.shares.give(w.uid, 1)
	ctx, stop := w.waiting()
	defer stop()
	return askEngine(ctx, w.server.engine, path, w.wholeAnswer)
}

// wholeAnswer reads an answer up to the limit. A long one takes the room of the
// long one before it.
func (w callWorld) wholeAnswer(ctx context.Context, answer io.Reader) ([]byte, error) {
	share := &w.server.memory.answers
	body, err := io.ReadAll(io.LimitReader(answer, share.smallest))
	if err != nil || int64(len(body)) < share.smallest {
		return body, err
	}
	w.answer.keep(0)
	if *w.answer, err = share.take(2*maxInspect, func() (context.Context, func()) { return ctx, func() {} }); err != nil {
		return nil, err
	}
	rest, err := io.ReadAll(io.LimitReader(answer, maxInspect+1-share.smallest))
	return append(body, rest...), err
}
