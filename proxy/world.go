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

// callWorld is what one call has to know of the Engine and the host.
type callWorld struct {
	host.Machine
	server *Server
	// waiting gives a context that ends when the call's client is gone. It is
	// to be stopped before anything else is read from the client.
	waiting func() (ctx context.Context, stop func())
}

// Resolve has one path for the guarded socket, whatever other names it has.
func (w callWorld) Resolve(path string) (resolved string, exists bool, err error) {
	return w.ResolveAs(path, w.server.guarded)
}

// maxInspect bounds what is read of an Engine's answer to safesock's own
// questions.
const maxInspect = 16 << 20

// engineClient asks the Engine what safesock itself has to know, on
// connections that no client's bytes ever see.
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

// Engine asks the Engine, and waits as long as the client does: a container can
// be locked by another call for as long as that takes.
func (w callWorld) Engine(path string) (rewrite.Answer, error) {
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
	if answer.StatusCode == http.StatusSwitchingProtocols { // what follows has no end, and does not heed ctx
		return rewrite.Answer{Status: answer.StatusCode}, nil
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxInspect+1))
	if err == nil && len(body) > maxInspect {
		err = fmt.Errorf("the Engine's answer to GET %s is longer than %d bytes", path, maxInspect)
	}
	docker := strings.HasPrefix(answer.Header.Get("Server"), "Docker/")
	return rewrite.Answer{Status: answer.StatusCode, Body: body, Docker: docker}, err
}
