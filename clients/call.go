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
	Service string // the service of the compose file; "" if the call is about no service
	Method  string
	Target  string
	Body    []byte

	find func(pointer string) Position // nil if the call comes from no compose file
}

// Position is a line of a file.
type Position struct {
	File string
	Line int
}

func (p Position) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Position returns the line of the compose file from which a value of the body was
// made. The pointer is the value's (RFC 6901). Position returns nil if the line is
// unknown.
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

// callTo returns a call to an endpoint. The variables of the endpoint's path are
// pairs of name and value.
func callTo(endpoint string, query url.Values, body []byte, variables ...string) Call {
	method, path := rewrite.Request(endpoint, variables...)
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return Call{Method: method, Target: path, Body: body}
}

// of returns the call with its service, and with the func that finds its lines.
func (c Call) of(service string, find func(pointer string) Position) Call {
	c.Service, c.find = service, find
	return c
}

var callLine = regexp.MustCompile(`^[A-Z]+ /\S*[ \t\r]*(\n|$)`)

// IsCall reports whether a text is a call or the body of a call. Otherwise it is a
// compose file, which may be JSON too.
func IsCall(src []byte) bool {
	if callLine.Match(src) {
		return true
	}
	var body map[string]json.RawMessage
	if !bytes.HasPrefix(bytes.TrimSpace(src), []byte("{")) {
		return false
	}
	// Invalid JSON counts as a body: reading the body reports what is wrong.
	return json.Unmarshal(src, &body) != nil || body["services"] == nil
}

// ParseCall reads a call: a line such as "POST /networks/create" with the body
// below it, or only the body of a container create call.
func ParseCall(src []byte) Call {
	line := callLine.Find(src)
	if line == nil {
		return callTo("container.create", nil, src)
	}
	method, target, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
	return Call{Method: method, Target: target, Body: bytes.TrimSpace(src[len(line):])}
}
