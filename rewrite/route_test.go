package rewrite

import (
	"bufio"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/mux"
)

var variable = regexp.MustCompile(`\{[^}]*\}`)

// shortened is a route without the names and forms of its variables, which
// moby and Podman write differently.
func shortened(method, path string) string {
	return method + " " + variable.ReplaceAllString(path, "{}")
}

// lists reads testdata/routes: for each route the lists that hold it.
func lists(t testing.TB) map[string][]string {
	files, _ := filepath.Glob("testdata/routes/*.txt")
	if len(files) == 0 {
		t.Fatal("testdata/routes: no lists")
	}
	holders := map[string][]string{}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		n := 0
		for ; lines.Scan(); n++ {
			method, path, ok := strings.Cut(lines.Text(), " ")
			path, _, _ = strings.Cut(path, "?")
			if strings.HasPrefix(method, "#") {
				continue
			}
			if !ok {
				t.Fatalf("%s: %q is no route", name, lines.Text())
			}
			holders[shortened(method, path)] = append(holders[shortened(method, path)], filepath.Base(name))
		}
		if n < 100 {
			t.Errorf("%s: %d lines are too few to be a whole list", name, n)
		}
	}
	return holders
}

func TestEveryRouteIsAnEndpointOrReviewed(t *testing.T) {
	places := map[string]int{}
	for _, e := range Endpoints {
		if e.Traits&GRPC == 0 { // no router registers those
			places[shortened(e.Method, e.Path)]++
		}
	}
	for _, r := range reviewed {
		places[shortened(r.method, r.path)]++
		if r.why == "" {
			t.Errorf("%s %s: reviewed without a reason", r.method, r.path)
		}
	}
	known := lists(t)
	for route, holders := range known {
		_, path, _ := strings.Cut(route, " ")
		if places[route] == 0 && places["ANY "+path] == 0 {
			t.Errorf("%s (%s) is neither an endpoint nor reviewed", route, strings.Join(holders, ", "))
		}
	}
	for route, n := range places {
		if n > 1 {
			t.Errorf("%s has %d places", route, n)
		}
		if known[route] == nil {
			t.Errorf("%s is a route of no engine", route)
		}
	}
}

// An endpoint found by its shape alone must be one that mux would find.
func TestReviewedRoutesHaveOneVariableAtMost(t *testing.T) {
	for _, r := range reviewed {
		if strings.Count(r.path, "{") > 1 {
			t.Errorf("%s %s: only an endpoint may have more", r.method, r.path)
		}
	}
}

func TestRoute(t *testing.T) {
	type want struct {
		Name    string
		Path    string
		Version string
		Vars    map[string]string
		Known   bool
		Refused bool
	}
	name := func(kv ...string) map[string]string { return map[string]string{kv[0]: kv[1]} }
	for _, c := range []struct {
		call string
		want want
	}{
		{"POST /containers/create", want{Name: "container.create", Path: "/containers/create", Known: true}},
		{"POST /v1.41/containers/create", want{Name: "container.create", Path: "/containers/create", Version: "1.41", Known: true}},
		{"POST /v01.41./containers/create", want{Name: "container.create", Path: "/containers/create", Version: "01.41.", Known: true}},
		{"POST /v.1.41/containers/create", want{Name: "container.create", Path: "/containers/create", Version: ".1.41", Known: true}},
		{"POST /v1.41-rc1/containers/create", want{Name: "container.create", Path: "/containers/create", Version: "1.41-rc1", Known: true}},
		{"POST /v1.99/containers/create", want{Name: "container.create", Path: "/containers/create", Version: "1.99"}},
		{"POST /v2/containers/create", want{Name: "container.create", Path: "/containers/create", Version: "2"}},
		{"POST /v1.41/containers/create?name=x%2Fy", want{Name: "container.create", Path: "/containers/create", Version: "1.41", Known: true}},

		// Encodings: moby decodes the path once before it routes.
		{"POST /containers/%63reate", want{Name: "container.create", Path: "/containers/create", Known: true}},
		{"POST /containers%2Fcreate", want{Name: "container.create", Path: "/containers/create", Known: true}},
		{"POST /%76%31.41/containers/create", want{Name: "container.create", Path: "/containers/create", Version: "1.41", Known: true}},
		{"POST /containers/%2563reate", want{Path: "/containers/%63reate"}},
		{"POST http://x/containers/create", want{Name: "container.create", Path: "/containers/create", Known: true}},
		{"POST docker://x/v1.41/containers/create", want{Name: "container.create", Path: "/containers/create", Version: "1.41", Known: true}},

		// Names may have slashes.
		{"POST /containers/a/start", want{Name: "container.start", Path: "/containers/a/start", Vars: name("name", "a"), Known: true}},
		{"POST /containers/a/b/start", want{Name: "container.start", Path: "/containers/a/b/start", Vars: name("name", "a/b"), Known: true}},
		{"POST /containers/a%2Fb/start", want{Name: "container.start", Path: "/containers/a/b/start", Vars: name("name", "a/b"), Known: true}},
		{"POST /containers//start", want{Path: "/containers//start", Refused: true}},
		// moby's .* does not match a line feed; Podman matches what is not yet decoded.
		{"POST /containers/a%0Ab/start", want{Name: "container.start", Path: "/containers/a\nb/start", Vars: name("name", "a\nb"), Known: true}},
		{"POST /networks/a/b/connect", want{Name: "network.connect", Path: "/networks/a/b/connect", Vars: name("id", "a/b"), Known: true}},
		{"POST /v5.0.0/libpod/containers/a/start", want{Name: "libpod.container.start", Path: "/libpod/containers/a/start", Version: "5.0.0", Vars: name("name", "a"), Known: true}},
		{"POST /v7.0.0/libpod/containers/a/start", want{Name: "libpod.container.start", Path: "/libpod/containers/a/start", Version: "7.0.0", Vars: name("name", "a")}},

		// Paths that the Engine answers with a redirect.
		{"POST //containers/create", want{Path: "//containers/create", Refused: true}},
		{"POST /v1.41/./containers/create", want{Path: "/./containers/create", Version: "1.41", Refused: true}},
		{"POST /x/../containers/create", want{Path: "/x/../containers/create", Refused: true}},
		{"POST /containers/%2e%2e/containers/create", want{Path: "/containers/../containers/create", Refused: true}},
		{"POST /containers/a/../start", want{Path: "/containers/a/../start", Refused: true}},
		{"POST /containers/..%2F..%2Fx/start", want{Path: "/containers/../../x/start", Refused: true}},
		{"GET //_ping", want{Path: "//_ping"}},

		// What no engine has.
		{"POST /containers/create/", want{Path: "/containers/create/"}},
		{"POST /Containers/create", want{Path: "/Containers/create"}},
		{"POST /containers/create%00", want{Path: "/containers/create\x00"}},
		{"post /containers/create", want{Path: "/containers/create"}},
		{"GET /containers/create", want{Path: "/containers/create"}},
		{"GET /v1.41", want{Path: "/v1.41"}},
		{"POST /", want{Path: "/"}},
		{"CONNECT *", want{Path: "*"}},

		// What is only reviewed.
		{"GET /_ping", want{Path: "/_ping", Known: true}},
		{"HEAD /_ping", want{Path: "/_ping", Known: true}},
		{"GET /v1.24/_ping", want{Path: "/_ping", Version: "1.24", Known: true}},
		{"GET /v1.57/_ping", want{Path: "/_ping", Version: "1.57"}},
		{"OPTIONS /what/ever", want{Path: "/what/ever", Known: true}},
		{"GET /images/a/b:1/json", want{Path: "/images/a/b:1/json", Known: true}},
		{"GET /services/a/logs", want{Path: "/services/a/logs", Known: true}},
		{"GET /services/a/b/logs", want{Path: "/services/a/b/logs"}},
		{"POST /debug/pprof/heap", want{Path: "/debug/pprof/heap", Known: true}},
		{"GET /containers/a/secrets", want{Path: "/containers/a/secrets"}},
		{"POST /containers/a/teleport", want{Path: "/containers/a/teleport"}},

		// gRPC over HTTP/2.
		{"POST /moby.buildkit.v1.Control/Solve", want{Name: "buildkit.solve", Path: "/moby.buildkit.v1.Control/Solve", Known: true}},
		{"POST /v1.41/moby.buildkit.v1.Control/Future", want{Name: "grpc.call", Path: "/moby.buildkit.v1.Control/Future", Version: "1.41",
			Vars: map[string]string{"service": "moby.buildkit.v1.Control", "method": "Future"}, Known: true}},
	} {
		method, target, _ := strings.Cut(c.call, " ")
		u, err := url.ParseRequestURI(target)
		if target == "*" {
			u, err = &url.URL{Path: "*"}, nil
		}
		if err != nil {
			t.Fatal(err)
		}
		m, err := Route(method, u)
		got := want{Path: m.Path, Version: m.Version, Vars: m.Vars, Known: m.Known, Refused: err != nil}
		if m.Endpoint != nil {
			got.Name = m.Endpoint.Name
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.call, got, c.want)
		}
		if m.Method != method {
			t.Errorf("%s: method %s", c.call, m.Method)
		}
	}
}

// routers are the routers of the engines, made of the stored lists as moby and
// Podman make theirs. A route's name is its shortened form.
func routers(t testing.TB) map[string]*mux.Router {
	t.Helper()
	files, _ := filepath.Glob("testdata/routes/*.txt")
	all := map[string]*mux.Router{}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		router, version := mux.NewRouter(), "/v{version:[0-9.]+}"
		if strings.HasPrefix(filepath.Base(name), "podman") {
			router, version = router.UseEncodedPath(), "/v{version:[0-9][0-9A-Za-z.-]*}"
		}
		for _, line := range strings.Split(string(src), "\n") {
			method, path, ok := strings.Cut(line, " ")
			path, _, _ = strings.Cut(path, "?")
			if !ok || method == "#" {
				continue
			}
			for _, prefix := range []string{version, ""} {
				route := router.Path(prefix + path).Name(shortened(method, path))
				if method != "ANY" {
					route.Methods(method)
				}
			}
		}
		all[filepath.Base(name)] = router
	}
	return all
}

// Whatever an engine's own router takes for an endpoint is that endpoint, and
// what it takes for a reviewed route is known. What it answers with a redirect
// or not at all may be anything.
func FuzzRoute(f *testing.F) {
	for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		for route := range lists(f) {
			_, path, _ := strings.Cut(route, " ")
			path = strings.ReplaceAll(path, "{}", "a")
			f.Add(method, path)
			f.Add(method, "/v1.41"+path)
		}
	}
	for _, path := range []string{
		"/containers/%63reate", "/containers%2Fcreate", "/%76%31.41/containers/create", "/v1.41/./containers/create", "/containers//start",
		"/containers/a%2Fb/start", "/containers/a%0Ab/start", "/containers/..%2Fa/start", "/exec/a%2F..%2Fb/start", "/libpod/pods/a%2Fb/start",
		"http://x/containers/create", "/containers/create/", "/v.1/containers/create", "/v5.0.0-rc1/libpod/build", "/services/a%2fupdate",
		"/containers/exec/start", "/containers/a/checkpoints/b", "/networks/create/connect", "/plugins/pull/enable", "/images/create/push",
	} {
		f.Add("POST", path)
		f.Add("DELETE", path)
	}
	all := routers(f)
	endpoints := map[string]string{}
	for _, e := range Endpoints {
		endpoints[shortened(e.Method, e.Path)] = e.Name
	}
	f.Fuzz(func(t *testing.T, method, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		got, err := Route(method, u)
		if err != nil {
			return // nothing reaches the Engine
		}
		for name, router := range all {
			path := u.Path
			if strings.HasPrefix(name, "podman") {
				path = u.EscapedPath()
			}
			var match mux.RouteMatch
			if cleanPath(path) != path || !router.Match(&http.Request{Method: method, URL: u}, &match) || match.MatchErr != nil {
				continue
			}
			route := match.Route.GetName()
			want := endpoints[route]
			if strings.Contains(route, "/libpod/manifests/") {
				continue // whose routes depend on the version
			}
			switch {
			case want != "" && (got.Endpoint == nil || got.Endpoint.Name != want):
				t.Errorf("%s: %s %s is %s, got %+v", name, method, target, route, got)
			case want == "" && !got.Known && !olderThan(newestEngine, got.Version):
				t.Errorf("%s: %s %s is %s, which was reviewed, got %+v", name, method, target, route, got)
			}
			delete(match.Vars, "version")
			if names := slices.Sorted(maps.Values(match.Vars)); want != "" && !strings.Contains(path, "%") && !slices.Equal(slices.Sorted(maps.Values(got.Vars)), names) {
				t.Errorf("%s: %s %s names %q, got %q", name, method, target, names, got.Vars)
			}
		}
	})
}

func TestVersionsCompareByNumber(t *testing.T) {
	for _, c := range []struct {
		version, than string
		want          bool
	}{
		{"1.23", "1.24", true},
		{"1.24", "1.24", false},
		{"1.9", "1.24", true},
		{"01.23.", "1.24", true},
		{"1.24.0", "1.24", false},
		{"1.100", "1.24", false},
		{"2", "1.24", false},
		{"x", "1.24", true},
		{"5.8.2", "6.0.0", true},
		{"1.99999999999999999999", "1.56", false},
	} {
		if got := olderThan(c.version, c.than); got != c.want {
			t.Errorf("olderThan(%q, %q): got %v, want %v", c.version, c.than, got, c.want)
		}
	}
}

func BenchmarkRoute(b *testing.B) {
	for _, call := range []string{
		"HEAD /_ping", "GET /_ping", "GET /v1.51/containers/json", "GET /v1.51/containers/web/json", "GET /nothing/there",
		"POST /v1.51/containers/create", "POST /v1.51/containers/web/start",
	} {
		method, target, _ := strings.Cut(call, " ")
		u, err := url.ParseRequestURI(target)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(strings.ReplaceAll(call, " ", ""), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Route(method, u); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
