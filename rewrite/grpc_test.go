package rewrite

import (
	"encoding/json"
	"strings"
	"testing"

	_ "github.com/moby/buildkit/api/services/control" // registers its service
	_ "github.com/moby/buildkit/frontend/gateway/pb"  // registers its services
	llb "github.com/moby/buildkit/solver/pb"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// requestOf is an empty request of a gRPC method, as in
// "/moby.buildkit.v1.Control/Solve". It is nil if BuildKit has no such method.
func requestOf(path string) proto.Message {
	service, method, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return nil
	}
	m := found.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(method))
	if m == nil {
		return nil
	}
	request, err := protoregistry.GlobalTypes.FindMessageByName(m.Input().FullName())
	if err != nil {
		panic(err)
	}
	return request.New().Interface()
}

// grpcBody is the body of a gRPC call whose request is a JSON text. Steps of a build
// (pb.Op) are objects in it.
func grpcBody(t testing.TB, path, text string) []byte {
	t.Helper()
	var parsed any
	if err := json.Unmarshal([]byte(text), &parsed); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	encoded, err := json.Marshal(withSteps(t, parsed))
	if err != nil {
		t.Fatal(err)
	}
	request := requestOf(path)
	if err := protojson.Unmarshal(encoded, request); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return framed(marshal(t, request))
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// withSteps encodes the steps in a definition.
func withSteps(t testing.TB, v any) any {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if steps, ok := value.([]any); ok && key == "def" {
				for i, step := range steps {
					text, _ := json.Marshal(withSteps(t, step))
					op := &llb.Op{}
					if err := protojson.Unmarshal(text, op); err != nil {
						t.Fatalf("%s: %v", text, err)
					}
					steps[i] = marshal(t, op)
				}
			} else {
				v[key] = withSteps(t, value)
			}
		}
	case []any:
		for i := range v {
			v[i] = withSteps(t, v[i])
		}
	}
	return v
}

// grpcText is the request of a gRPC call as JSON.
func grpcText(t testing.TB, path string, body []byte) string {
	t.Helper()
	request := requestOf(path)
	if err := proto.Unmarshal(body[grpcHead:], request); err != nil {
		t.Fatal(err)
	}
	text, err := protojson.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	var sorted any
	if err := json.Unmarshal(text, &sorted); err != nil {
		t.Fatal(err)
	}
	text, _ = json.Marshal(sorted)
	return string(text)
}
