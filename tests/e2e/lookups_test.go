//go:build e2e

package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/safesock/safesock/rewrite"
	"github.com/safesock/safesock/tests/e2e/lab"
)

// subjects are one of each kind that safesock looks up, by name, and how they
// are made.
var subjects = map[string]struct{ name, made string }{
	"container": {"box", `POST /containers/create?name=box
{"Image":"web:1"}`},
	"network": {"net", `POST /networks/create
{"Name":"net"}`},
	"volume": {"vol", `POST /volumes/create
{"Name":"vol"}`},
	"image": {"team/web:2", `POST /images/web:1/tag?repo=team/web&tag=2`},
	"service": {"svc", `POST /services/create
{"Name":"svc","TaskTemplate":{"ContainerSpec":{"Image":"web:1"}}}`},
	"pod": {"pod", `POST /v4.0.0/libpod/pods/create
{"name":"pod","infra_image":"web:1","infra_command":["/bin/web"]}`},
	"Podman container": {"box", ""}, // the container
	"exec":             {},          // in the container
	"version":          {},          // each Engine has these two
	"info":             {},
}

// Each path that safesock asks for is one that every Engine serves: what is
// there is answered with all that safesock needs, and what is not with a status
// that says so.
func TestLookups(t *testing.T) {
	t.Parallel()
	kinds, err := lab.Kinds()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, kind)
			r := &replay{lab: l, socket: kind.Socket}
			if !kind.Podman() {
				makeSubject(t, r, `POST /swarm/init
{"ListenAddr":"127.0.0.1:2377","AdvertiseAddr":"127.0.0.1"}`)
			}
			for _, lookup := range rewrite.Lookups {
				t.Run(lookup.Kind, func(t *testing.T) { lookUp(t, r, lookup) })
			}
		})
	}
}

func lookUp(t *testing.T, r *replay, lookup rewrite.Lookup) {
	subject, known := subjects[lookup.Kind]
	if !known {
		t.Fatalf("%s: this test does not know how to make one", lookup.Path)
	}
	podman := r.lab.Kind.Podman()
	switch {
	case lookup.Kind == "service" && podman:
		get(t, r, lookup.Target(subject.name), http.StatusServiceUnavailable) // safesock refuses then
		return
	case strings.Contains(lookup.Path, "/libpod/") && !podman:
		get(t, r, lookup.Target(subject.name), http.StatusNotFound)
		return
	}
	if subject.made != "" {
		makeSubject(t, r, subject.made)
	}
	if lookup.Kind == "exec" { // its name is what the Engine gave it
		makeSubject(t, r, "POST /containers/box/start")
		subject.name = makeSubject(t, r, "POST /containers/box/exec\n"+`{"Cmd":["true"]}`)
	}
	more := ""
	if lookup.Kind == "image" {
		more = rewrite.Platform("linux/" + r.engineText("/version", "Arch"))
	}
	for _, target := range []string{lookup.Target(subject.name), lookup.Target(subject.name) + more} {
		var object map[string]any
		if err := json.Unmarshal(get(t, r, target, http.StatusOK), &object); err != nil {
			t.Errorf("GET %s: %v", target, err)
		}
		for _, field := range lookup.Fields {
			if object[field] == nil || object[field] == "" {
				t.Errorf("GET %s: there is no %s in %v", target, field, object)
			}
		}
	}
	if strings.Contains(lookup.Path, "{name}") {
		get(t, r, lookup.Target("missing"), http.StatusNotFound)
	}
}

// makeSubject sends a request to the Engine itself, and returns the id of what it
// made last.
func makeSubject(t *testing.T, r *replay, request string) (id string) {
	t.Helper()
	if status, answer, err := r.request(r.lab.Kind.Socket, request); err != nil || status >= 400 {
		t.Fatalf("%s\n%d %s (%v)", request, status, answer, err)
	}
	return r.lastID
}

// get is what the Engine itself answers, with a status. Docker calls itself so.
func get(t *testing.T, r *replay, target string, status int) []byte {
	t.Helper()
	res, err := r.lab.HTTP(r.lab.Kind.Socket).Get("http://engine" + target)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if server := res.Header.Get("Server"); status == http.StatusOK && strings.HasPrefix(server, "Docker/") == r.lab.Kind.Podman() {
		t.Errorf("GET %s: the Engine calls itself %q", target, server)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status {
		t.Errorf("GET %s: got %d %s (%v), want %d", target, res.StatusCode, body, err, status)
	}
	return body
}
