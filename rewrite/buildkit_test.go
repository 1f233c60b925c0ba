package rewrite

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	control "github.com/moby/buildkit/api/services/control"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
)

// The packages of the schema's messages, by what their names begin with.
var buildkitPackages = map[string]string{"control.": "moby.buildkit.v1.", "gateway.": "moby.buildkit.v1.frontend.", "sourcepolicy.": "moby.buildkit.v1.sourcepolicy."}

// descriptorOf is BuildKit's own description of a message of the schema.
func descriptorOf(t *testing.T, name string) protoreflect.MessageDescriptor {
	t.Helper()
	full := []string{"moby.buildkit.v1." + name, "moby.buildkit.v1.frontend." + name, "pb." + name}
	for prefix, pkg := range buildkitPackages {
		if rest, found := strings.CutPrefix(name, prefix); found {
			full = []string{pkg + rest}
		}
	}
	for _, each := range full {
		if d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(each)); err == nil {
			return d.(protoreflect.MessageDescriptor)
		}
	}
	t.Fatalf("BuildKit has no message %s", name)
	return nil
}

// TestTheSchemaIsBuildKits compares each field of each message with BuildKit's own.
// A field that is new there is unknown until somebody has looked at it.
func TestTheSchemaIsBuildKits(t *testing.T) {
	for name, fields := range buildkit {
		theirs := descriptorOf(t, name).Fields()
		for i := range theirs.Len() {
			f := theirs.Get(i)
			ours, found := fields[f.Number()]
			if !found {
				t.Errorf("%s.%s (%d) is not in the schema", name, f.Name(), f.Number())
				continue
			}
			if ours.Name != string(f.Name()) || ours.Type.Repeated() != (f.IsList() && !f.IsMap()) || ours.Type.IsMap() != f.IsMap() {
				t.Errorf("%s.%s (%d) is %q in the schema, or has another type", name, f.Name(), f.Number(), ours.Name)
			}
			value := f
			if f.IsMap() {
				value = f.MapValue()
			}
			if message := ours.Type.Message(); message != "" && (value.Kind() == protoreflect.MessageKind) && value.Message().Name() != descriptorOf(t, message).Name() {
				t.Errorf("%s.%s is a %s, and not a %s", name, f.Name(), value.Message().FullName(), message)
			}
			isVarint := !slices.Contains([]protoreflect.Kind{protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind}, value.Kind())
			if ours.Type.Varint() != isVarint {
				t.Errorf("%s.%s is of the kind %v", name, f.Name(), value.Kind())
			}
		}
		if len(fields) != theirs.Len() {
			t.Errorf("%s has %d fields in the schema, and %d in BuildKit", name, len(fields), theirs.Len())
		}
	}
}

// TestEveryMethodOfBuildKitHasARow holds that a method which is new in BuildKit is
// noticed.
func TestEveryMethodOfBuildKitHasARow(t *testing.T) {
	for _, service := range []protoreflect.FullName{"moby.buildkit.v1.Control", "moby.buildkit.v1.frontend.LLBBridge"} {
		found, err := protoregistry.GlobalFiles.FindDescriptorByName(service)
		if err != nil {
			t.Fatal(err)
		}
		methods := found.(protoreflect.ServiceDescriptor).Methods()
		for i := range methods.Len() {
			path := "/" + string(service) + "/" + string(methods.Get(i).Name())
			if row := table().find("POST", path).endpoint; row.Name == "grpc.call" {
				t.Errorf("%s has no row", path)
			}
			if row := table().find("POST", path).endpoint; methods.Get(i).IsStreamingClient() && row.Traits&Streams == 0 {
				t.Errorf("%s is read whole, and is a stream", path)
			}
		}
	}
}

// constants are the texts of the constants of a package of BuildKit whose names
// begin with a prefix.
func constants(t *testing.T, pkg, prefix string) (texts []string) {
	t.Helper()
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/moby/buildkit/"+pkg).Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files of %s (%v)", pkg, err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) == 0 || !strings.HasPrefix(spec.Names[0].Name, prefix) {
				return true
			}
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
				text, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, text)
			}
			return true
		})
	}
	return texts
}

func TestEveryAttributeOfASourceIsKnown(t *testing.T) {
	attributes := constants(t, "solver/pb", "Attr")
	if len(attributes) < 40 {
		t.Fatalf("got %d attributes", len(attributes))
	}
	for _, name := range attributes {
		if strings.Contains(name, ".") && !strings.HasSuffix(name, ".") && !sourceAttributes[name] {
			t.Errorf("%s is not known", name)
		}
	}
	for name := range sourceAttributes {
		if !slices.Contains(attributes, name) {
			t.Errorf("BuildKit has no attribute %s", name)
		}
	}
}

// FuzzParse holds that a message which is not refused means the same to BuildKit.
func FuzzParse(f *testing.F) {
	for _, m := range []proto.Message{
		&control.SolveRequest{Ref: "r", Entitlements: []string{"network.host"}, FrontendAttrs: map[string]string{"a": "b", "c": ""}},
		&gateway.SolveRequest{Frontend: "dockerfile.v0", FrontendOpt: map[string]string{"cmdline": ""}, Evaluate: true},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ours, err := buildkit.Parse("gateway.SolveRequest", b)
		theirs := &gateway.SolveRequest{}
		theirErr := proto.Unmarshal(b, theirs)
		if err != nil {
			return
		}
		if theirErr != nil {
			// BuildKit refuses what is refused here, and texts in messages that are not read.
			return
		}
		if len(ours.Unknown()) == 0 && len(theirs.ProtoReflect().GetUnknown()) > 0 {
			t.Errorf("%x has unknown fields: %x", b, theirs.ProtoReflect().GetUnknown())
		}
		if ours.Text("Frontend") != theirs.Frontend || !maps.Equal(ours.Map("FrontendOpt"), theirs.FrontendOpt) || ours.Number("Evaluate") != 0 != theirs.Evaluate {
			t.Errorf("%x: got %q %v, BuildKit reads %v", b, ours.Text("Frontend"), ours.Map("FrontendOpt"), theirs)
		}
		edited := ours.AppendEntry(ours.SetText(b, "Frontend", "other"), "FrontendOpt", "added", "x")
		again := &gateway.SolveRequest{}
		if err := proto.Unmarshal(edited, again); err != nil {
			t.Fatal(err)
		}
		theirs.Frontend = "other"
		if theirs.FrontendOpt == nil {
			theirs.FrontendOpt = map[string]string{}
		}
		theirs.FrontendOpt["added"] = "x"
		if !proto.Equal(theirs, again) {
			t.Errorf("%x: the edit made %v, want %v", b, again, theirs)
		}
		if len(b) > 0 && !bytes.Contains(edited, []byte("other")) {
			t.Errorf("%x: the text is missing", b)
		}
	})
}
