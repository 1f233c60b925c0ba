package rewrite

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// RouteHTTP2 is Route for a request that came over HTTP/2. Engines since 29
// hand what has a gRPC content type to their gRPC services, whatever its
// method and path (moby: httpHandler); it is a call of one of those. Others
// speak HTTP/2 too and route by the path, so that a request which they would
// take for another endpoint is refused, with a *Refusal.
func RouteHTTP2(method string, target *url.URL, header http.Header) (Match, error) {
	m, err := Route(method, target)
	switch {
	case err != nil || !IsGRPC(header):
		return m, err
	case m.Endpoint == nil:
		service, name := strings.TrimPrefix(target.Path, "/"), ""
		if i := strings.LastIndexByte(service, '/'); i >= 0 {
			service, name = service[:i], service[i+1:]
		}
		m.Endpoint, m.Known = endpoint("grpc.call"), false
		m.Vars = map[string]string{"service": service, "method": name}
	case m.Endpoint != endpoint("grpc.call"):
		return m, &Refusal{http.StatusBadRequest, fmt.Sprintf(
			"safesock: %s %s is no gRPC; send it with another Content-Type than %q", method, m.Path, header.Get("Content-Type"))}
	}
	return m, nil
}

// IsGRPC tells whether the header of an HTTP/2 request makes it gRPC.
func IsGRPC(header http.Header) bool {
	return strings.HasPrefix(header.Get("Content-Type"), "application/grpc")
}
