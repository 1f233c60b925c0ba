package rewrite

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// reading is a Call while it is being read. A reader looks at the body, the query
// and the Engine's answers, and adds claims. Readers do not check for errors:
// refuse keeps the first problem, and Apply returns it.
type reading struct {
	request
	container policy.Container // the container that the call is about
	compose   policy.Compose
	build     policy.Build // by BuildKit

	claims    []*claim
	lists     []*portList
	published int       // how many ports were claimed
	notes     []Outcome // changes that no rule decided
	pinned    []Pin
	pins      []func() // replace names by ids, after the decisions have made their changes
	existing  map[*jsonedit.Document]*existing

	root    jsonedit.Value // the body, absent if it was not read
	world   *memory
	refusal *Refusal

	jsonedit.Edits
	came        string // the request target
	sent        string // the request target to send
	sentMessage []byte // the message of a gRPC call to send, nil if it was not read

	params url.Values // of the target's query and of a form, nil until a parameter is read
}

// existing is an object that the Engine has. The claims that its values make
// cannot be edited.
type existing struct {
	advice  string    // what the user can do about the claims
	created time.Time // zero if that is not known
	infra   string    // for a container in a Podman pod: the id of the pod's infra container
}

// exists marks an object as one that the Engine has, before its values make
// claims.
func (c *reading) exists(object jsonedit.Value, advice string) *existing {
	if c.existing == nil {
		c.existing = map[*jsonedit.Document]*existing{}
	}
	x := &existing{advice: advice}
	x.created, _ = time.Parse(time.RFC3339, object.Field("Created").Text()) // zero is before any rule expires
	c.existing[object.Document()] = x
	return x
}

// isExisting reports whether a value is part of an object that the Engine has.
func (c *reading) isExisting(v jsonedit.Value) bool { return c.existing[v.Document()] != nil }

// request is what a reader sees of a call.
type request struct {
	route  string            // the endpoint's pattern, "" if the call is not intercepted
	path   string            // decoded, without the version
	vars   map[string]string // the path's variables, as in "name"
	url    *url.URL
	header http.Header
	text   []byte // the body

	upstream string // path of the guarded Engine's socket, symbolic links resolved
	listen   string // path of safesock's own socket, which replaces it in mounts
}

// Pin is a mutable name of a call that was replaced by an immutable id.
type Pin struct{ Name, ID string }

// Bounds on the cost of one call. A run of ports is one claim.
const (
	maxClaims = 4_096
	maxPorts  = 65_536
)

// note adds an outcome for a change that no rule decided.
func (c *reading) note(at jsonedit.Value, after string) {
	c.notes = append(c.notes, Outcome{
		Claim: policy.API{}, Count: 1, Pointer: at.Pointer(), Decision: policy.Decision{Action: policy.Allow},
		Before: at.Raw(), After: after,
	})
}

// refuse keeps the first reason why the call must not be forwarded.
func (c *reading) refuse(status int, format string, args ...any) {
	if c.refusal == nil {
		c.refusal = &Refusal{Status: status, Message: "safesock: " + fmt.Sprintf(format, args...)}
	}
}

// body is the call's JSON body if that is an object, as it is for most calls.
func (c *reading) body() jsonedit.Value { return c.json().Object() }

// json is the call's JSON body, absent if there is none.
func (c *reading) json() jsonedit.Value {
	if len(c.text) == 0 {
		return jsonedit.Value{}
	}
	for _, coding := range c.header.Values("Content-Encoding") {
		if !strings.EqualFold(coding, "identity") {
			c.refuse(http.StatusUnsupportedMediaType, "a body with Content-Encoding %q cannot be read; send it as it is", coding)
			return jsonedit.Value{}
		}
	}
	body, err := jsonedit.Parse(string(c.text))
	if err != nil && isForm(c.header) {
		return jsonedit.Value{} // Engines read it as parameters alone
	}
	if err != nil {
		c.refuse(http.StatusBadRequest, "the body: %v", err)
		return jsonedit.Value{}
	}
	c.root = c.document("", body, http.StatusBadRequest)
	return c.root
}

// document is a JSON text. A problem with one of its values refuses the call
// with the status. The name is "" for the call's own body.
func (c *reading) document(name string, tree *jsonedit.Tree, status int) jsonedit.Value {
	doc := &jsonedit.Document{Tree: tree, Name: name}
	doc.Refuse = func(pointer, problem string) {
		if name != "" {
			pointer = name + " " + pointer
		}
		c.refuse(status, "%s: %s", cmp.Or(strings.TrimSpace(pointer), "the body"), problem)
	}
	return doc.Root()
}

// about keeps what rules can ask about the call's container.
func (c *reading) about(name, image string, labels jsonedit.Value) {
	texts := labels.TextMap()
	c.container = policy.Container{Name: name, Image: image, Labels: texts}
	c.compose = composeOf(texts)
}

// composeOf is what Compose's labels say.
func composeOf(texts map[string]string) policy.Compose {
	return policy.Compose{
		Project: texts["com.docker.compose.project"],
		Service: texts["com.docker.compose.service"],
		Files:   texts["com.docker.compose.project.config_files"],
		Dir:     texts["com.docker.compose.project.working_dir"],
	}
}

// claim adds a claim that is made by a value.
func (c *reading) claim(what policy.Claim, at jsonedit.Value) *claim {
	cl := &claim{Claim: what, at: at}
	if len(c.claims) == maxClaims {
		c.refuse(http.StatusRequestEntityTooLarge, "%s: the call claims more than %d things; ask for fewer, or share them among several calls",
			cmp.Or(at.Pointer(), "the call"), maxClaims)
		return cl
	}
	if x := c.existing[at.Document()]; x != nil {
		cl.advice = x.advice
	}
	c.claims = append(c.claims, cl)
	return cl
}

// reader adds the claims of a call, and refuses a call that it cannot understand.
// Readers are named after their endpoints.
type reader func(*reading)
