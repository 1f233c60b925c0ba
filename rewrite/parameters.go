package rewrite

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// Bounds on the parameters of one call. net/http reads no longer form.
const (
	maxParameters = 10_000
	maxForm       = 10 << 20 // bytes
)

// refuseMultipart refuses a form with parts. Docker takes the parameters of a build
// from them (net/http: Request.FormValue). Podman's own API reads the query alone.
func (c *reading) refuseMultipart() {
	if kind := c.header.Get("Content-Type"); strings.Contains(strings.ToLower(kind), "multipart/form") && !strings.HasPrefix(c.path, "/libpod/") {
		c.refuse(http.StatusUnsupportedMediaType, "a body of the Content-Type %q is not read by this endpoint; send the parameters in the query", kind)
	}
}

// query is a parameter of the call, "" if it is missing. A parameter with two
// values is refused, because Engines differ in which they take.
func (c *reading) query(name string) string {
	found := c.parameters(name)
	slices.Sort(found)
	found = slices.Compact(found)
	if len(found) > 1 {
		c.refuse(http.StatusBadRequest, "?%s appears twice", name)
	}
	return strings.Join(found, "")
}

// parameters are all values of a parameter, in the target's query and in a body
// that is a form: Docker prefers the form's, Podman takes the query's alone.
// Podman folds the case of the name.
func (c *reading) parameters(name string) (all []string) {
	if c.params == nil {
		c.params = url.Values{}
		c.addParameters("query", c.url.RawQuery)
		if isForm(c.header) {
			if len(c.text) > maxForm {
				c.refuse(http.StatusRequestEntityTooLarge, "the form is longer than %d bytes", maxForm)
				return nil
			}
			c.addParameters("form", string(c.text))
		}
	}
	for key, values := range c.params {
		if strings.EqualFold(key, name) {
			all = append(all, values...)
		}
	}
	return all
}

// addParameters reads a query or a form. net/url does not serve here: since Go
// 1.25.6, it finds nothing in a query of more than 10,000 parameters.
func (c *reading) addParameters(place, text string) {
	pairs := strings.Split(text, "&")
	if len(pairs) > maxParameters {
		c.refuse(http.StatusRequestEntityTooLarge, "the %s has more than %d parameters", place, maxParameters)
		return
	}
	for _, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		key, badKey := url.QueryUnescape(key)
		value, badValue := url.QueryUnescape(value)
		err := cmp.Or(badKey, badValue)
		if strings.Contains(pair, ";") { // ends a parameter before Go 1.17, and spoils it since
			err = errors.New("invalid semicolon separator in query")
		}
		if err != nil {
			c.refuse(http.StatusBadRequest, "the %s: %v", place, err)
		}
		c.params.Add(key, value)
	}
}

// parameter adds a claim that a parameter makes.
func (c *reading) parameter(what policy.Claim, name string) *claim {
	cl := c.claim(what, jsonedit.Value{})
	cl.place, cl.text = "?"+name, jsonedit.Quote(strings.Join(c.parameters(name), ","))
	return cl
}

// pinParameter replaces a mutable name in a parameter of the query by an immutable
// text. The rest of the target stays as it came. A parameter that a form repeats
// is refused, because Docker would take the form's.
func (c *reading) pinParameter(name, text string) {
	if c.query(name) == text {
		return
	}
	if isForm(c.header) {
		c.refuse(http.StatusBadRequest, "the parameter %s has to be changed, and the body is a form; send the parameters in the query", name)
		return
	}
	c.pins = append(c.pins, func() {
		path, query, _ := strings.Cut(c.sent, "?")
		all := strings.Split(query, "&")
		for i, pair := range all {
			key, _, _ := strings.Cut(pair, "=")
			if key, err := url.QueryUnescape(key); err == nil && strings.EqualFold(key, name) {
				all[i] = url.QueryEscape(key) + "=" + url.QueryEscape(text)
			}
		}
		c.sent = path + "?" + strings.Join(all, "&")
	})
}
