package rewrite

import (
	"net/http"
	"strings"

	"github.com/safesock/safesock/rewrite/jsonedit"
)

// pinText replaces a mutable name in the body by an immutable text, such as an id.
func (c *reading) pinText(at jsonedit.Value, text string) {
	if !inBody(at) || at.Text() == text {
		return
	}
	c.pinned = append(c.pinned, Pin{at.Text(), text})
	c.pins = append(c.pins, func() {
		c.note(at, jsonedit.Quote(text))
		c.Replace(at, jsonedit.Quote(text))
	})
}

// pin replaces a variable of the path, the name of an object, by the object's id.
// The rest of the target stays as it came.
func (c *reading) pin(variable, id string) {
	name := c.vars[variable]
	if id == "" || id == name {
		return
	}
	c.pinned = append(c.pinned, Pin{name, id})
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
