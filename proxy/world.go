package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
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
	return w.ResolveAs(path, w.server.guarded)
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
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return rewrite.Answer{}, err
	}
	answer, err := w.server.engine.Do(request)
	if err != nil {
		return rewrite.Answer{}, fmt.Errorf("cannot ask the Engine: %w", err)
	}
	defer answer.Body.Close()
	body, err := w.wholeAnswer(ctx, answer.Body)
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
