package rewrite

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// RouteHTTP2 does what Route does, for a request over HTTP/2. Engines since 29
// hand every request with a gRPC content type to their gRPC services, whatever
// its method and path (moby: httpHandler). Other Engines route by the path: a
// gRPC request whose path is another endpoint is refused, with a *Refusal.
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
	case m.Endpoint.Traits&GRPC == 0:
		return m, &Refusal{http.StatusBadRequest, fmt.Sprintf(
			"safesock: %s %s is no gRPC; send it with another Content-Type than %q", method, m.Path, header.Get("Content-Type"))}
	}
	return m, nil
}

// IsGRPC reports whether an HTTP/2 request with this header is gRPC.
func IsGRPC(header http.Header) bool {
	return strings.HasPrefix(header.Get("Content-Type"), "application/grpc")
}
