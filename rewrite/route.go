package rewrite

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"

	"github.com/gorilla/mux"
)

// Match is the result of Route.
type Match struct {
	Endpoint *Endpoint         // nil for a call that is not intercepted
	Vars     map[string]string // the path's variables, as in "name"
	Method   string
	Path     string // decoded, without the version
	Version  string // "1.51"; "" if the path names none
	Known    bool   // the route was reviewed, and the version is not newer than those that were
}

// ReadsBody reports whether the call's body is read before the call is forwarded.
// It is not if no endpoint intercepts the call, or the endpoint has the trait
// Streams. A form is read all the same, since Engines take parameters from it,
// unless the connection may become a raw stream: such calls have no parameters
// that matter.
func (m Match) ReadsBody(h http.Header) bool {
	if m.Endpoint == nil {
		return false
	}
	traits := m.Endpoint.Traits
	return traits&Streams == 0 || traits&(Upgrades|Hijacks) == 0 && isForm(h)
}

// Route finds the endpoint of a request as the Engine's router does: by its method
// and its path, decoded once, with or without a version. Podman's router matches
// the path before it is decoded; an endpoint in this reading counts, too. A path
// is refused, with a *Refusal, if it has to be cleaned to be an endpoint's, or if
// the two readings are different endpoints.
func Route(method string, target *url.URL) (Match, error) {
	t := table()
	version, rest := splitVersion(target.Path)
	m := Match{Method: method, Path: rest, Version: version}

	_, encoded := splitVersion(target.EscapedPath())
	if clean := cleanPath(target.Path); clean != target.Path {
		_, cleaned := splitVersion(clean)
		for _, reading := range [...]string{rest, cleaned, encoded} {
			if t.find(method, reading).endpoint != nil {
				return m, &Refusal{http.StatusBadRequest, fmt.Sprintf(
					"safesock: the path %q is not in its shortest form; send %q", target.Path, clean)}
			}
		}
		return m, nil // every Engine answers it with a redirect
	}

	found := t.find(method, rest)
	if encoded != rest {
		other := t.find(method, encoded)
		if found.endpoint != nil && other.endpoint != nil && found.endpoint != other.endpoint {
			return m, &Refusal{http.StatusBadRequest, fmt.Sprintf(
				"safesock: the path %q is one call before it is decoded and another after", target.EscapedPath())}
		}
		if found.endpoint == nil && other.endpoint != nil {
			found = other
			for name, value := range found.vars {
				if decoded, err := url.PathUnescape(value); err == nil {
					found.vars[name] = decoded
				}
			}
		}
	}
	m.Endpoint, m.Vars = found.endpoint, found.vars
	newest := newestEngine
	if strings.HasPrefix(rest, "/libpod/") {
		newest = newestLibpod
	}
	m.Known = found.known && !olderThan(newest, version)
	return m, nil
}

// found is the route that matches a path.
type found struct {
	endpoint *Endpoint
	vars     map[string]string
	known    bool
}

// shape rules out most paths without a regular expression: every path that the
// route matches begins with prefix and ends with suffix.
type shape struct {
	prefix, suffix string
	literal        bool       // the route has no variables, and prefix is the whole of it
	segment        bool       // the text between prefix and suffix is one segment, not empty
	endpoint       *Endpoint  // nil for a route that is only reviewed
	mux            *mux.Route // for an endpoint with variables: decides about paths of this shape
}

// key groups shapes by the method, or "ANY", and the first segment of the path, ""
// if that is a variable.
type key struct{ method, segment string }

type routes map[key][]shape

// table holds Endpoints and the reviewed routes. Endpoints come first, so
// that no reviewed route hides one.
var table = sync.OnceValue(func() routes {
	t := routes{}
	r := mux.NewRouter()
	for i := range Endpoints {
		e := &Endpoints[i]
		s := shapeOf(e.Path)
		s.endpoint = e
		if !s.literal {
			s.mux = r.NewRoute().Path(e.Path)
		}
		t.add(e.Method, s)
	}
	for _, r := range reviewed {
		t.add(r.method, shapeOf(r.path))
	}
	return t
})

func (t routes) add(method string, s shape) {
	k := key{method, firstSegment(s.prefix)}
	t[k] = append(t[k], s)
}

// find looks for a path without its version.
func (t routes) find(method, path string) found {
	segment := firstSegment(path)
	for _, k := range [...]key{{method, segment}, {"ANY", segment}, {method, ""}} {
		for i := range t[k] {
			s := &t[k][i]
			if !s.has(path) {
				continue
			}
			if s.mux == nil {
				return found{endpoint: s.endpoint, known: true}
			}
			var m mux.RouteMatch
			if s.mux.Match(&http.Request{Method: method, URL: &url.URL{Path: path}}, &m) {
				return found{endpoint: s.endpoint, vars: m.Vars, known: true}
			}
		}
	}
	return found{}
}

// has reports whether a path has this shape. Without a mux route, the path then
// matches the route.
func (s *shape) has(path string) bool {
	if s.literal {
		return path == s.prefix
	}
	if len(path) < len(s.prefix)+len(s.suffix) || !strings.HasPrefix(path, s.prefix) || !strings.HasSuffix(path, s.suffix) {
		return false
	}
	middle := path[len(s.prefix) : len(path)-len(s.suffix)]
	return !s.segment || middle != "" && !strings.Contains(middle, "/")
}

// shapeOf cuts a mux pattern at its variables.
func shapeOf(pattern string) shape {
	open, end := strings.IndexByte(pattern, '{'), strings.LastIndexByte(pattern, '}')
	if open < 0 {
		return shape{prefix: pattern, literal: true}
	}
	variable := pattern[open : end+1]
	return shape{
		prefix:  pattern[:open],
		suffix:  pattern[end+1:],
		segment: strings.Count(variable, "{") == 1 && !strings.Contains(variable, ":"),
	}
}

// firstSegment is the path's text between its first two slashes.
func firstSegment(path string) string {
	if path == "" || path[0] != '/' {
		return ""
	}
	if i := strings.IndexByte(path[1:], '/'); i >= 0 {
		return path[1 : i+1]
	}
	return path[1:]
}

// splitVersion splits a leading version from a path. moby's routers match
// /v{version:[0-9.]+}, Podman's /v{version:[0-9][0-9A-Za-z.-]*}. A version of either
// form counts.
func splitVersion(path string) (version, rest string) {
	if len(path) < 3 || path[:2] != "/v" || path[2] != '.' && (path[2] < '0' || path[2] > '9') {
		return "", path
	}
	for i := 3; i < len(path); i++ {
		c := path[i]
		switch {
		case c == '/':
			return path[2:i], path[i:]
		case c != '.' && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z'):
			return "", path
		}
	}
	return "", path
}

// cleanPath is the path that a mux router redirects to, if it is not the path
// itself.
func cleanPath(p string) string {
	if p == "" {
		return "/"
	}
	if p[0] != '/' {
		p = "/" + p
	}
	if !strings.Contains(p, "//") && !strings.Contains(p, "/.") {
		return p
	}
	clean := path.Clean(p)
	if p[len(p)-1] == '/' && clean != "/" {
		clean += "/"
	}
	return clean
}
