package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/safesock/safesock/rewrite"
)

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
