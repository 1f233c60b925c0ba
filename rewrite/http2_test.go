package rewrite

import (
	"net/http"
	"net/url"
	"reflect"
	"testing"
)

func TestGRPCIsKnownByItsContentTypeAlone(t *testing.T) {
	type want struct {
		Name    string
		Vars    map[string]string
		Known   bool
		Refused string
	}
	solve := map[string]string{"service": "moby.buildkit.v1.Control", "method": "Solve"}
	for _, c := range []struct {
		contentType, method, target string
		want                        want
	}{
		{"application/grpc", "POST", "/moby.buildkit.v1.Control/Solve", want{Name: "buildkit.solve", Known: true}},
		{"application/grpc+proto", "POST", "/moby.buildkit.v1.Control/%53olve", want{Name: "buildkit.solve", Known: true}},
		{"", "POST", "/moby.buildkit.v1.Control/Solve", want{Name: "buildkit.solve", Known: true}},
		{"application/grpc", "PUT", "/moby.buildkit.v1.Control/Solve", want{Name: "grpc.call", Vars: solve}},
		{"application/grpc", "POST", "/Unpackaged/Call", want{Name: "grpc.call", Vars: map[string]string{"service": "Unpackaged", "method": "Call"}}},
		{"application/grpc", "POST", "/Unpackaged", want{Name: "grpc.call", Vars: map[string]string{"service": "Unpackaged", "method": ""}}},
		{"application/grpc", "GET", "/containers/json", want{Name: "grpc.call", Vars: map[string]string{"service": "containers", "method": "json"}}},
		{"Application/gRPC", "GET", "/containers/json", want{Known: true}},
		{"application/json", "GET", "/containers/json", want{Known: true}},
		{"application/json", "POST", "/containers/create", want{Name: "container.create", Known: true}},
		{"application/grpc", "POST", "/v1.53/containers/create", want{Refused: `safesock: POST /containers/create is no gRPC; send it with another Content-Type than "application/grpc"`}},
		{"application/grpc", "POST", "//moby.buildkit.v1.Control/Solve", want{Refused: `safesock: the path "//moby.buildkit.v1.Control/Solve" is not in its shortest form; send "/moby.buildkit.v1.Control/Solve"`}},
	} {
		target, err := url.ParseRequestURI(c.target)
		if err != nil {
			t.Fatal(err)
		}
		m, err := RouteHTTP2(c.method, target, http.Header{"Content-Type": {c.contentType}})
		var got want
		if err != nil {
			got.Refused = err.Error()
		} else {
			got = want{Vars: m.Vars, Known: m.Known}
			if m.Endpoint != nil {
				got.Name = m.Endpoint.Name
			}
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s %s %s:\n got %+v\nwant %+v", c.contentType, c.method, c.target, got, c.want)
		}
	}
}
