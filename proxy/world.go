package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

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

// maxInspect bounds an answer of the Engine to a question of safesock's own, in
// bytes.
const maxInspect = 16 << 20

// engineClient returns a client for safesock's own questions to the Engine. Its
// connections carry nothing else.
func engineClient(upstream string) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "unix", upstream)
			},
			MaxIdleConns:       2,
			IdleConnTimeout:    5 * time.Second,
			DisableCompression: true,
		},
		// What another path answers is not about the object that was asked for.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
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

// askEngine asks the Engine for GET path. The answer's body is read by whole.
func askEngine(ctx context.Context, engine *http.Client, path string, whole func(context.Context, io.Reader) ([]byte, error)) (rewrite.Answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return rewrite.Answer{}, err
	}
	answer, err := engine.Do(request)
	if err != nil {
		return rewrite.Answer{}, fmt.Errorf("cannot ask the Engine: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusSwitchingProtocols { // what follows has no end, and does not heed ctx
		return rewrite.Answer{Status: answer.StatusCode}, nil
	}
	body, err := whole(ctx, answer.Body)
	if err == nil && len(body) > maxInspect {
		err = fmt.Errorf("the Engine's answer to GET %s is longer than %d bytes", path, maxInspect)
	}
	docker := strings.HasPrefix(answer.Header.Get("Server"), "Docker/")
	return rewrite.Answer{Status: answer.StatusCode, Body: body, Docker: docker}, err
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
