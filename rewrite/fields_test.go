package rewrite

import (
	"encoding"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	dockercheckpoint "github.com/docker/docker/api/types/checkpoint"
	dockercontainer "github.com/docker/docker/api/types/container"
	mobycheckpoint "github.com/moby/moby/api/types/checkpoint"
	mobycontainer "github.com/moby/moby/api/types/container"
)

var textual = reflect.TypeFor[encoding.TextUnmarshaler]()

// typeFields lists the fields of a type that hold a value, those of the types in
// it too, each with the kind of its value, as in "/HostConfig/Binds/0 string".
func typeFields(of reflect.Type, path string, depth int) (all []string) {
	if depth > 12 {
		return nil
	}
	if reflect.PointerTo(of).Implements(textual) {
		return []string{path + " ip"}
	}
	switch of.Kind() {
	case reflect.Pointer:
		return typeFields(of.Elem(), path, depth)
	case reflect.Struct:
		for i := range of.NumField() {
			f := of.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case f.Anonymous && name == "":
				all = append(all, typeFields(f.Type, path, depth+1)...)
			case name == "-" || !f.IsExported():
			default:
				if name == "" {
					name = f.Name
				}
				all = append(all, typeFields(f.Type, path+"/"+name, depth+1)...)
			}
		}
		return all
	case reflect.Slice, reflect.Array:
		if of.Elem().Kind() == reflect.Uint8 {
			return []string{path + " bytes"}
		}
		return typeFields(of.Elem(), path+"/0", depth+1)
	case reflect.Map:
		if of.Elem().Kind() == reflect.Struct && of.Elem().NumField() == 0 {
			return []string{path + " set"}
		}
		return typeFields(of.Elem(), path+"/*", depth+1)
	case reflect.Bool:
		return []string{path + " bool"}
	case reflect.String:
		return []string{path + " string"}
	case reflect.Interface:
		return []string{path + " any"}
	}
	return []string{path + " number"}
}

// engineFields are the fields that the engines' own types have, as in
// "POST /containers/create /HostConfig/Binds/0 string": Docker's, and those of
// Podman's versions in testdata/podman.
func engineFields(t *testing.T) (all []string) {
	requests := []oracle{{method: "POST", target: "/containers/create", decoders: []func() any{
		func() any { return new(dockercontainer.CreateRequest) },
		func() any { return new(mobycontainer.CreateRequest) },
	}}, {method: "POST", target: "/containers/web/update", decoders: []func() any{
		func() any { return new(dockercontainer.UpdateConfig) },
		func() any { return new(mobycontainer.UpdateConfig) },
	}}, {method: "POST", target: "/containers/web/exec", decoders: []func() any{
		func() any { return new(dockercontainer.ExecOptions) },
		func() any { return new(mobycontainer.ExecCreateRequest) },
	}}, {method: "POST", target: "/containers/web/checkpoints", decoders: []func() any{
		func() any { return new(dockercheckpoint.CreateOptions) },
		func() any { return new(mobycheckpoint.CreateRequest) },
	}}}
	for _, o := range append(requests, oracles...) {
		for _, decoder := range o.decoders {
			of := reflect.TypeOf(decoder()).Elem()
			if of == reflect.TypeFor[podmanSpec]() || of == reflect.TypeFor[[]string]() {
				continue // of this package, or without fields
			}
			for _, field := range typeFields(of, "", 0) {
				all = append(all, o.method+" "+o.target+" "+field)
			}
		}
	}
	versions, err := filepath.Glob("testdata/podman/*.txt")
	if err != nil || len(versions) == 0 {
		t.Fatalf("no versions: %v", err)
	}
	for _, version := range versions {
		all = append(all, podmanFields(t, version)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// listedFields are the entries of fields/*.txt, as in "container.create /Cmd",
// each with its reason.
func listedFields(t *testing.T) map[string]string {
	t.Helper()
	listed := map[string]string{}
	files, err := fs.Glob(fieldFiles, "fields/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := fieldFiles.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var endpoints []string
		reason, continued := "", false
		for line := range strings.Lines(string(text)) {
			if len(line) > 110 {
				t.Errorf("%s: a line is too long: %s", file, line)
			}
			comment, isComment := strings.CutPrefix(line, "\t# ")
			switch {
			case isComment && continued:
				reason += comment
			case isComment:
				reason = comment
			case line[0] == '\t':
				for _, endpoint := range endpoints {
					for _, word := range strings.Fields(line) {
						if _, twice := listed[endpoint+" "+word]; twice {
							t.Errorf("%s: %s %s is there twice", file, endpoint, word)
						}
						listed[endpoint+" "+word] = reason
					}
				}
			default:
				endpoints, reason = strings.Fields(line), ""
			}
			continued = isComment
		}
	}
	return listed
}

// Every field of the engines' own types is in the lists of known fields. Those
// that claim something, alone and with some value, are listed as read; the
// others have another reason. A field that a later version adds is reviewed before
// it goes there.
func TestEveryFieldOfTheEnginesIsKnown(t *testing.T) {
	p := parsePolicy(t, open)
	listed := listedFields(t)
	claims := map[string]bool{} // by entry: whether some value claims something
	for _, line := range engineFields(t) {
		words := strings.Split(line, " ") // method, target, path, type
		method, field := words[0], words[2]
		example := "web"
		if strings.Contains(words[1], "/networks/") {
			example = "net"
		}
		target := strings.Replace(words[1], "{name}", example, 1)
		endpoint := testCall(t, method, target, nil).Endpoint
		if endpoint == nil {
			continue // reviewed.go says why it is not intercepted
		}
		values := podmanValues[words[3]]
		if values == nil {
			t.Fatalf("%s: no value is of the type %s", line, words[3])
		}
		claimed := func(target, body string) bool {
			for _, world := range []World{&hostile{}, &hostilePodman{}} {
				count := func(target, body string) int {
					r, err := Apply(p, testCall(t, method, target, []byte(body)), world)
					if err != nil || string(r.Body) != body {
						return maxClaims // more than any call claims: nothing reaches the Engine, or not as it came
					}
					return len(r.Outcomes)
				}
				plain, _, _ := strings.Cut(target, "?")
				if count(target, body) > min(count(plain, "{}"), count(plain, "[]")) {
					return true
				}
			}
			return false
		}
		entry := endpoint.Name + " " + strings.ReplaceAll(field, "/0", "")
		if words[3] == "set" {
			entry += "/*"
		}
		if parameter, found := strings.CutPrefix(field, "?"); found {
			parameter = strings.TrimSuffix(parameter, "/*") // a map is sent as JSON
			entry = endpoint.Name + " ?" + parameter
			for _, value := range append(values, `{"a":"b"}`) {
				claims[entry] = claims[entry] || claimed(target+"?"+parameter+"="+url.QueryEscape(strings.Trim(value, `"`)), "{}")
			}
			continue
		}
		for _, body := range podmanBodies(strings.Split(field, "/")[1:], values) {
			claims[entry] = claims[entry] || claimed(target, body)
		}
	}

	var problems []string
	for entry, claimed := range claims {
		reason, known := listed[entry]
		switch isRead := strings.HasPrefix(reason, "Read."); {
		case !known || reason == "":
			problems = append(problems, fmt.Sprintf("%s has no reason", entry))
		case claimed != isRead:
			problems = append(problems, fmt.Sprintf("%s claims something: %v; listed as: %s", entry, claimed, reason))
		}
	}
	paths := map[string]bool{}
	for entry := range claims {
		_, path, _ := strings.Cut(entry, " ")
		paths[path] = true
	}
	for entry := range listed {
		if _, path, _ := strings.Cut(entry, " "); !paths[path] && path[0] == '/' {
			problems = append(problems, entry+" is in no engine's types")
		}
	}
	slices.Sort(problems)
	for _, problem := range problems {
		t.Error(problem)
	}
}
