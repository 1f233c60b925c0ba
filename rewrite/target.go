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

// pinText replaces a mutable name in the body by an immutable text, such as an id.
func (c *reading) pinText(at jsonedit.Value, text string) {
	if !inBody(at) || at.Text() == text {
		return
	}
	c.pins = append(c.pins, func() {
		c.note(at, jsonedit.Quote(text))
		c.Replace(at, jsonedit.Quote(text))
	})
}

// pinParameter does the same for a parameter of the query. The rest of the target
// stays as it came.
func (c *reading) pinParameter(name, text string) {
	if c.query(name) == text {
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

// parameter adds a claim that a parameter of the query makes.
func (c *reading) parameter(what policy.Claim, name string) *claim {
	cl := c.claim(what, jsonedit.Value{})
	cl.parameter, cl.text = name, jsonedit.Quote(strings.Join(c.parameters(name), ","))
	return cl
}

// query is a parameter of the call's query, "" if it is missing. A parameter with
// two values is refused, because Engines differ in which they take.
func (c *reading) query(name string) string {
	found := c.parameters(name)
	slices.Sort(found)
	found = slices.Compact(found)
	if len(found) > 1 {
		c.refuse(http.StatusBadRequest, "?%s appears twice", name)
	}
	return strings.Join(found, "")
}

// parameters are all values of a parameter of the query. Podman folds the case
// of the name. net/url does not serve here: since Go 1.25.6, it finds nothing in a
// query of more than 10,000 parameters.
func (c *reading) parameters(name string) (all []string) {
	if c.params == nil {
		c.params = url.Values{}
		written := strings.Split(c.url.RawQuery, "&")
		if len(written) > maxParameters {
			c.refuse(http.StatusRequestEntityTooLarge, "the query has more than %d parameters", maxParameters)
			return nil
		}
		for _, pair := range written {
			key, value, _ := strings.Cut(pair, "=")
			key, badKey := url.QueryUnescape(key)
			value, badValue := url.QueryUnescape(value)
			err := cmp.Or(badKey, badValue)
			if strings.Contains(pair, ";") { // ends a parameter before Go 1.17, and spoils it since
				err = errors.New("invalid semicolon separator in query")
			}
			if err != nil {
				c.refuse(http.StatusBadRequest, "the query: %v", err)
			}
			c.params.Add(key, value)
		}
	}
	for key, values := range c.params {
		if strings.EqualFold(key, name) {
			all = append(all, values...)
		}
	}
	return all
}

// pin replaces a variable of the path, the name of an object, by the object's id.
// The rest of the target stays as it came.
func (c *reading) pin(variable, id string) {
	name := c.vars[variable]
	if id == "" || id == name {
		return
	}
	c.pins = append(c.pins, func() {
		_, behind, _ := strings.Cut(c.route, "{"+variable)
		behind = behind[strings.IndexByte(behind, '}')+1:]
		raw, query, found := strings.Cut(c.sent, "?")
		end := len(c.url.Path) - len(behind)
		start := end - len(name)
		if strings.Contains(behind, "{") || start < 0 || c.url.Path[start:end] != name {
			c.refuse(http.StatusInternalServerError, "%s: cannot replace %q by an id", c.url.Path, name)
			return
		}
		c.sent = raw[:rawOffset(raw, start)] + id + raw[rawOffset(raw, end):]
		if found {
			c.sent += "?" + query
		}
	})
}

// rawOffset converts an offset in the decoded path to an offset in the raw path.
func rawOffset(raw string, decoded int) int {
	at := 0
	for ; decoded > 0; decoded-- {
		if raw[at] == '%' {
			at += 2
		}
		at++
	}
	return at
}
