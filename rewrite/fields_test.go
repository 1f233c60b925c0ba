package rewrite

import (
	"encoding"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	dockercontainer "github.com/docker/docker/api/types/container"
	mobycontainer "github.com/moby/moby/api/types/container"
	"github.com/rogpeppe/go-internal/diff"

	"github.com/safesock/safesock/rewrite/jsonedit"
)

// field is one field of a request, alone in a body.
type field struct{ path, body string }

var textual = reflect.TypeFor[encoding.TextUnmarshaler]()

// fieldsOf lists the fields of a type that hold a value, those of the types in
// it too.
func fieldsOf(of reflect.Type, path string, wrap func(string) string, depth int) (all []field) {
	if depth > 12 {
		return nil
	}
	if reflect.PointerTo(of).Implements(textual) {
		return []field{{path, wrap(`"192.0.2.1"`)}}
	}
	switch of.Kind() {
	case reflect.Pointer:
		return fieldsOf(of.Elem(), path, wrap, depth)
	case reflect.Struct:
		for i := range of.NumField() {
			f := of.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case f.Anonymous && name == "":
				all = append(all, fieldsOf(f.Type, path, wrap, depth+1)...)
			case name == "-" || !f.IsExported():
			default:
				if name == "" {
					name = f.Name
				}
				all = append(all, fieldsOf(f.Type, path+"/"+name, func(text string) string {
					return wrap("{" + jsonedit.Quote(name) + ":" + text + "}")
				}, depth+1)...)
			}
		}
		return all
	case reflect.Slice, reflect.Array:
		if of.Elem().Kind() == reflect.Uint8 {
			return []field{{path, wrap(`"aGk="`)}}
		}
		return fieldsOf(of.Elem(), path+"/0", func(text string) string { return wrap("[" + text + "]") }, depth+1)
	case reflect.Map:
		if of.Elem().Kind() == reflect.Struct && of.Elem().NumField() == 0 {
			return []field{{path + "/*", wrap(`{"80/tcp":{}}`)}}
		}
		return fieldsOf(of.Elem(), path+"/*", func(text string) string { return wrap(`{"80/tcp":` + text + "}") }, depth+1)
	case reflect.Bool:
		return []field{{path, wrap("true")}}
	case reflect.String:
		return []field{{path, wrap(`"x"`)}}
	case reflect.Interface:
		return []field{{path, wrap(`{}`)}}
	}
	return []field{{path, wrap("1")}}
}

// The fields of Docker's requests that claim nothing, each alone and with any
// value, are those of testdata/unclaimed.txt. A field that a later version of
// the types adds is reviewed before it goes there.
func TestFieldsThatClaimNothing(t *testing.T) {
	requests := []oracle{{method: "POST", target: "/containers/create", decoders: []func() any{
		func() any { return new(dockercontainer.CreateRequest) },
		func() any { return new(mobycontainer.CreateRequest) },
	}}}
	p := parsePolicy(t, open)
	var got strings.Builder
	for _, o := range append(requests, oracles...) {
		if strings.HasPrefix(o.target, "/libpod/") || strings.HasPrefix(o.target, "/plugins/") || strings.Contains(o.target, "/update") {
			continue // not Docker's types, lists, and what is read as service.create is
		}
		var unclaimed []string
		for _, decoder := range o.decoders {
			request := reflect.TypeOf(decoder()).Elem()
			for _, f := range fieldsOf(request, "", func(text string) string { return text }, 0) {
				r, err := applyHostile(t, p, o.method, o.target, []byte(f.body))
				if err != nil {
					t.Errorf("%s %s: %v", o.target, f.body, err)
				}
				empty, _ := applyHostile(t, p, o.method, o.target, []byte("{}"))
				if len(r.Outcomes) <= len(empty.Outcomes) && string(r.Body) == f.body && !slices.Contains(unclaimed, f.path) {
					unclaimed = append(unclaimed, f.path)
				}
			}
		}
		slices.Sort(unclaimed)
		fmt.Fprintf(&got, "%s %s\n", o.method, o.target)
		for _, path := range unclaimed {
			fmt.Fprintf(&got, "\t%s\n", path)
		}
	}
	const name = "testdata/unclaimed.txt"
	if *update {
		if err := os.WriteFile(name, []byte(got.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got.String() {
		t.Errorf("%s", diff.Diff("want", want, "got", []byte(got.String())))
	}
}
