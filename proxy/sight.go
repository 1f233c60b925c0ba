package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/safesock/safesock/host"
)

// LookAround finds out what safesock sees of the Engine's host, and logs what it
// does not see. An Engine is asked once in the life of the server.
func (s *Server) LookAround(ctx context.Context) (host.Sight, error) {
	engine := engineClient(s.Upstream)
	defer engine.CloseIdleConnections()
	answer, err := askEngine(ctx, engine, "/info", func(_ context.Context, answer io.Reader) ([]byte, error) {
		return io.ReadAll(io.LimitReader(answer, maxInspect+1))
	})
	if err != nil {
		return host.Sight{}, err
	}
	if answer.Status != http.StatusOK {
		return host.Sight{}, fmt.Errorf("the Engine answered %d to GET /info, which safesock needs to know", answer.Status)
	}
	var info struct{ Name, KernelVersion string }
	if err := json.Unmarshal(answer.Body, &info); err != nil {
		return host.Sight{}, fmt.Errorf("the Engine's answer to GET /info: %w", err)
	}
	sight, err := host.SightOf(s.Upstream, host.System{Hostname: info.Name, Kernel: info.KernelVersion})
	if err != nil || !s.sight.CompareAndSwap(nil, &sight) {
		return sight, err
	}
	if sight.Paths != "" {
		s.log().Warn("safesock does not see the Engine's files: it knows the paths that containers mount by their text alone, and rules that ask for mount.source refuse",
			slog.String("reason", sight.Paths))
	}
	if sight.Interfaces != "" {
		s.log().Warn("safesock does not see the Engine's network interfaces: each bridge that a network names counts as one of the host's, and rules cannot use interface()",
			slog.String("reason", sight.Interfaces))
	}
	return sight, nil
}
