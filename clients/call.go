package clients

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/safesock/safesock/rewrite"
)

// Call is one call to the Engine that a client would make.
type Call struct {
	Service string // of a compose file; "" for a call that belongs to none
	Method  string
	Target  string
	Body    []byte

	find func(pointer string) Position // nil if the call stands in no compose file
}

// Position is a line of a file.
type Position struct {
	File string
	Line int
}

func (p Position) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Position returns the line of the compose file that became a value of the body,
// by the value's JSON pointer (RFC 6901). It is nil if that is not known.
func (c *Call) Position(pointer string) *Position {
	if c.find == nil {
		return nil
	}
	found := c.find(pointer)
	if found == (Position{}) {
		return nil
	}
	return &found
}

// callTo is a call to an endpoint, whose variables are pairs of name and value.
func callTo(endpoint string, query url.Values, body []byte, variables ...string) Call {
	method, path := rewrite.Request(endpoint, variables...)
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return Call{Method: method, Target: path, Body: body}
}

// of is the call as one of a service, with the lines of its compose file.
func (c Call) of(service string, find func(pointer string) Position) Call {
	c.Service, c.find = service, find
	return c
}

var callLine = regexp.MustCompile(`^[A-Z]+ /\S*[ \t\r]*(\n|$)`)

// IsCall distinguishes a call, or the body of one, from a compose file, which
// may be JSON too.
func IsCall(src []byte) bool {
	if callLine.Match(src) {
		return true
	}
	var body map[string]json.RawMessage
	if !bytes.HasPrefix(bytes.TrimSpace(src), []byte("{")) {
		return false
	}
	// Invalid JSON is taken for a body, which whoever reads it will refuse.
	return json.Unmarshal(src, &body) != nil || body["services"] == nil
}

// ParseCall reads a call: a line as in "POST /networks/create" and its body
// below, or the body of a container create call alone.
func ParseCall(src []byte) Call {
	line := callLine.Find(src)
	if line == nil {
		return callTo("container.create", nil, src)
	}
	method, target, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
	return Call{Method: method, Target: target, Body: bytes.TrimSpace(src[len(line):])}
}
