package rewrite

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/safesock/safesock/rewrite/jsonedit"
)

// hostilePodman is the hostile world with Podman as its Engine.
type hostilePodman struct{ hostile }

func (h *hostilePodman) Engine(path string) (Answer, error) {
	switch {
	case path == "/version":
		return Answer{Status: http.StatusOK, Body: whole(path, `{"ApiVersion":"1.41","Components":[{"Name":"Podman Engine","Version":"5.8.2"}]}`)}, nil
	case strings.HasPrefix(path, "/v4.0.0/libpod/pods/"):
		return Answer{Status: http.StatusOK, Body: whole(path, `{"Id":"3d","Name":"x","InfraConfig":{"HostNetwork":true}}`)}, nil
	}
	return h.hostile.Engine(path)
}

// podmanValues are JSON values of the types that the files in testdata/podman
// name. Texts are such that what reads them has something to claim.
var podmanValues = map[string][]string{
	"any":                     {"{}"},
	"bool":                    {"true", "false"},
	"bytes":                   {`"aGk="`},
	"ip":                      {`"192.0.2.1"`},
	"libpod.UInt64OrMinusOne": {"-1"},
	"network.HardwareAddr":    {`"02:00:00:00:00:01"`},
	"number":                  {"1"},
	"set":                     {`{"80/tcp":{}}`, `{"/proc:/x":{}}`},
	"string":                  {`"x"`, `"host"`, `"/proc/1/root"`, `"upperdir=/x"`, `"a:b"`},
	"strslice.StrSlice":       {`["x"]`},
	"subnet":                  {`"192.0.2.0/24"`},
	"time":                    {`"2026-07-01T12:00:00Z"`},
	"types.HardwareAddr":      {`"02:00:00:00:00:01"`},
	"types.IPNet":             {`"192.0.2.0/24"`},
}

// podmanKeys are the members that maps have.
var podmanKeys = []string{"80/tcp", "80", "device", "mode", "pasta", "com.docker.network.x"}

// podmanBodies are bodies in which a field stands alone. Steps are the rest of
// its path.
func podmanBodies(steps []string, values []string) (bodies []string) {
	if len(steps) == 0 {
		return values
	}
	inside := podmanBodies(steps[1:], values)
	for _, body := range inside {
		switch steps[0] {
		case "0":
			bodies = append(bodies, "["+body+"]")
		case "*":
			for _, key := range podmanKeys {
				bodies = append(bodies, "{"+jsonedit.Quote(key)+":"+body+"}")
			}
		default:
			bodies = append(bodies, "{"+jsonedit.Quote(steps[0])+":"+body+"}")
		}
	}
	return bodies
}

// podmanFields are the fields that a version of Podman reads, as in
// "POST /libpod/pods/create /hostname string".
func podmanFields(t *testing.T, name string) (fields []string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	endpoint := ""
	for line := range strings.Lines(string(text)) {
		switch line = strings.TrimSuffix(line, "\n"); {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "\t"):
			fields = append(fields, endpoint+" "+line[1:])
		default:
			endpoint = line
		}
	}
	return fields
}

// Of what Podman's versions read of calls (testdata/podman), the fields that
// claim nothing, each alone and with any value, are those that
// testdata/unclaimed_podman.txt gives reasons for, or that Docker's bodies have
// too. A field that a later version adds is reviewed before it goes there.
func TestFieldsOfPodmanThatClaimNothing(t *testing.T) {
	p := parsePolicy(t, open)
	docker := map[string]bool{}
	for _, field := range podmanFields(t, "testdata/unclaimed.txt") {
		docker[field] = true
	}
	versions, err := filepath.Glob("testdata/podman/*.txt")
	if err != nil || len(versions) == 0 {
		t.Fatalf("no versions: %v", err)
	}
	done := map[string]bool{}
	var got []string
	for _, version := range versions {
		for _, line := range podmanFields(t, version) {
			if done[line] {
				continue
			}
			done[line] = true
			words := strings.Split(line, " ") // method, target, path, type
			method, field := words[0], words[2]
			example := "web"
			if strings.Contains(words[1], "/networks/") {
				example = "net"
			}
			target := strings.Replace(words[1], "{name}", example, 1)
			values := podmanValues[words[3]]
			if values == nil {
				t.Fatalf("%s: no value is of the type %s", version, words[3])
			}
			const refused = maxClaims // more than any call claims: nothing reaches the Engine, or not as it came
			claims := func(target, body string) int {
				r, err := Apply(p, testCall(t, method, target, []byte(body)), &hostilePodman{})
				if err != nil || string(r.Body) != body {
					return refused
				}
				return len(r.Outcomes)
			}
			least := claims(target, "{}")
			claimed := false
			if parameter, found := strings.CutPrefix(field, "?"); found {
				parameter = strings.TrimSuffix(parameter, "/*") // a map is sent as JSON
				for _, value := range append(values, `{"a":"b"}`) {
					claimed = claimed || claims(target+"?"+parameter+"="+url.QueryEscape(strings.Trim(value, `"`)), "{}") > least
				}
			} else {
				for _, body := range podmanBodies(strings.Split(field, "/")[1:], values) {
					claimed = claimed || claims(target, body) > least
				}
			}
			entry := method + " " + target + " " + field
			if !claimed && !docker[entry] && !slices.Contains(got, target+" "+field) {
				got = append(got, target+" "+field)
			}
		}
	}

	const name = "testdata/unclaimed_podman.txt"
	text, err := os.ReadFile(name)
	if err != nil && !*update {
		t.Fatal(err)
	}
	var want []string
	var kept bytes.Buffer
	for line := range strings.Lines(string(text)) {
		entry := strings.TrimSuffix(line, "\n")
		reason := entry == "" || strings.HasPrefix(entry, "#")
		if !reason {
			want = append(want, entry)
		}
		if reason || slices.Contains(got, entry) {
			kept.WriteString(line)
		}
	}
	if *update {
		for _, entry := range got {
			if !slices.Contains(want, entry) {
				fmt.Fprintln(&kept, entry)
			}
		}
		if err := os.WriteFile(name, kept.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(want, got) {
		t.Errorf("%s", diff.Diff("want", []byte(strings.Join(want, "\n")), "got", []byte(strings.Join(got, "\n"))))
	}
}
