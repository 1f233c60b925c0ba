package clients

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// Call is one call to the Engine that a client would make.
type Call struct {
	Service string // of a compose file; "" for a call that belongs to none
	Method  string
	Target  string
	Body    []byte

	find func(Claim) Position // nil if the call stands in no compose file
}

// Position is a line of a file.
type Position struct {
	File string
	Line int
}

func (p Position) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Claim is something that a call asks of the host.
type Claim struct {
	Kind    string // "port", "network", "mount", "privilege", or "api" for the call itself
	Pointer string // JSON pointer into the body (RFC 6901); "" if the body does not say it
	Text    string // the network's name, the mount's target or the privilege's value
}

// Position returns the line of the compose file that makes a claim, or nil if
// that is not known.
func (c *Call) Position(claim Claim) *Position {
	if c.find == nil {
		return nil
	}
	found := c.find(claim)
	if found == (Position{}) {
		return nil
	}
	return &found
}

// createPath is where a container is created.
const createPath = "/containers/create"

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
		return Call{Method: "POST", Target: createPath, Body: src}
	}
	method, target, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
	return Call{Method: method, Target: target, Body: bytes.TrimSpace(src[len(line):])}
}
