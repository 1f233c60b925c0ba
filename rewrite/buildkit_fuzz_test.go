package rewrite

import (
	"os"
	"strings"
	"testing"

	control "github.com/moby/buildkit/api/services/control"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	llb "github.com/moby/buildkit/solver/pb"
	sourcepolicy "github.com/moby/buildkit/sourcepolicy/pb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/safesock/safesock/policy"
)

// FuzzForwardedSolve and FuzzForwardedFrontendSolve hold that what is forwarded
// under ci.hcl, as BuildKit reads it, asks for nothing of the host, builds with the
// Engine's own frontend, and names nobody else's session.
func FuzzForwardedSolve(f *testing.F) {
	fuzzForwarded(f, "/moby.buildkit.v1.Control/Solve")
}

func FuzzForwardedFrontendSolve(f *testing.F) {
	fuzzForwarded(f, "/moby.buildkit.v1.frontend.LLBBridge/Solve")
}

func fuzzForwarded(f *testing.F, path string) {
	for _, body := range fuzzBodies(f, path) {
		f.Add(body)
	}
	file := "../examples/ci.hcl"
	text, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	p, err := policy.Parse(Names, policy.File{Name: file, Src: text})
	if err != nil {
		f.Fatal(err)
	}
	w := newWorld()
	f.Fuzz(func(t *testing.T, body []byte) {
		result, err := w.apply(t, p, testCall(t, "POST", path, body))
		if err != nil {
			return // refused: nothing reaches the Engine
		}
		request := requestOf(path)
		if proto.Unmarshal(result.Body[grpcHead:], request) != nil {
			return // BuildKit refuses it
		}
		harmless(t, request)
	})
}

// harmless holds that a message, with the steps in it, asks for nothing that jobs
// may not have.
func harmless(t *testing.T, m proto.Message) {
	err := protorange.Range(m.ProtoReflect(), func(values protopath.Values) error {
		message, ok := values.Index(-1).Value.Interface().(protoreflect.Message)
		if !ok {
			return nil
		}
		switch m := message.Interface().(type) {
		case *control.SolveRequest:
			ownFrontend(t, m.Frontend, m.FrontendAttrs)
			if len(m.Entitlements) > 0 || m.ProxyNetwork || m.SourcePolicySession != "" || isOthers(m.Session) || isOthers(m.Ref) {
				t.Errorf("forwarded: %v", m)
			}
		case *gateway.SolveRequest:
			ownFrontend(t, m.Frontend, m.FrontendOpt)
		case *llb.Definition:
			for _, step := range m.Def {
				op := &llb.Op{}
				if proto.Unmarshal(step, op) == nil {
					harmless(t, op)
				}
			}
		case *llb.ExecOp:
			if m.Network == llb.NetMode_HOST || m.Security != llb.SecurityMode_SANDBOX || m.GetMeta().GetCgroupParent() != "" || len(m.CdiDevices) > 0 {
				t.Errorf("forwarded: %v", m)
			}
		case *llb.BuildOp:
			t.Errorf("forwarded: %v", m)
		case *llb.SourceOp:
			ownSource(t, m.Identifier, m.Attrs)
		case *sourcepolicy.Update:
			ownSource(t, m.Identifier, m.Attrs)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func ownFrontend(t *testing.T, frontend string, options map[string]string) {
	t.Helper()
	_, direct := options["cmdline"]
	if frontend != "" && (frontend != "dockerfile.v0" || !direct) || options["cgroup-parent"] != "" {
		t.Errorf("forwarded: the frontend %q with %v", frontend, options)
	}
	for key, value := range options {
		if strings.HasPrefix(key, "local-sessionid:") && isOthers(value) {
			t.Errorf("forwarded: the option %s=%s", key, value)
		}
	}
}

func ownSource(t *testing.T, identifier string, attrs map[string]string) {
	t.Helper()
	for _, scheme := range []string{"http://", "https://", "git://"} {
		if strings.HasPrefix(identifier, scheme) {
			t.Errorf("forwarded: the source %s", identifier)
		}
	}
	if isOthers(attrs["local.session"]) || isOthers(attrs["oci.session"]) || strings.Contains(attrs["http.filename"], "/") {
		t.Errorf("forwarded: a source with %v", attrs)
	}
}

// isOthers reports whether an id is another user's, as BuildKit looks it up.
func isOthers(id string) bool {
	if _, behind, _ := strings.Cut(id, ":"); behind != "" {
		id = behind
	}
	return strings.HasPrefix(id, "others")
}
