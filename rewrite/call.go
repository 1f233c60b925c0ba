package rewrite

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// call is a Call while it is being read. A reader takes it apart: it looks at
// the body, the query and what the Engine says, and adds claims. The first thing
// that is wrong is kept by refuse, so that readers can go on without looking.
type call struct {
	Call
	container policy.Container // what the call says about the container it is about
	compose   policy.Compose

	claims      []*claim
	notes       []Outcome      // changes that no rule decides, told all the same
	then        []func()       // changes that no decision asks for, made after those that one does
	held        string         // how the claims of a container that exists can be changed
	unpublished string         // the network mode with which the ports that are being read are not published, "" if they are
	infra       string         // the id of the container that holds a pod together, while another one of that pod is read
	again       bool           // whether this is a call that was edited, read once more

	world   *memory
	refusal *Refusal

	jsonedit.Edits
	came   string     // the request target
	sent   string     // the one to send
	params url.Values // of the target's query, nil until one is asked for
}

// claim is a policy.Claim, where it was made, and what came of it.
type claim struct {
	policy.Claim
	at        jsonedit.Value // what makes the claim, in the body or an answer
	parameter string         // of the query, if that makes the claim
	text      string         // the JSON text that makes the claim, if it is not at's

	// edit makes a decision to bind or replace come true, and gives the JSON
	// text that is sent instead. Without it such a decision refuses the call.
	edit        func(policy.Decision) string
	held        string // how the claim can be changed, where it cannot be edited
	unpublished string // the network mode with which the port is not published, "" if it is

	decision policy.Decision
	named    string // an address that the client could name instead
	edited   bool
	after    string // what is sent instead, if it was edited
	hostPort string // the one that was chosen for several addresses
}

func newCall(c Call, world *memory) *call {
	target := c.URL.RequestURI()
	return &call{Call: c, world: world, came: target, sent: target}
}

// Bounds on what one call costs. A claim of every TCP port there is stays below.
const (
	maxClaims     = 70_000
	maxParameters = 10_000
)

// claim adds a claim that is made by a value.
func (c *call) claim(what policy.Claim, at jsonedit.Value) *claim {
	cl := &claim{Claim: what, at: at, held: c.held, unpublished: c.unpublished}
	if len(c.claims) == maxClaims {
		c.refuse(http.StatusRequestEntityTooLarge, "the call claims more than %d things", maxClaims)
		return cl
	}
	c.claims = append(c.claims, cl)
	return cl
}

// outcome is what came of a claim, for others to see.
func (cl *claim) outcome() Outcome {
	o := Outcome{Claim: cl.Claim, Decision: cl.decision, Before: cl.before(), After: cl.before(), HostPort: cl.hostPort}
	o.Wider = cl.decision.Action == policy.Bind && cl.named != ""
	switch {
	case cl.parameter != "":
		o.Pointer = "?" + cl.parameter
	case !cl.at.Absent() && cl.at.Doc.Name == "":
		o.Pointer = cl.at.Pointer()
	}
	if cl.edited {
		o.After = cl.after
	}
	return o
}

// before is the JSON text that makes the claim. A whole document is not shown:
// it says much else, and what it says can be secret.
func (cl *claim) before() string {
	if cl.text != "" || cl.at.I == 0 {
		return cl.text
	}
	return cl.at.Raw()
}

// note tells of a change that no rule decides.
func (c *call) note(at jsonedit.Value, after string) {
	c.notes = append(c.notes, Outcome{
		Claim: policy.API{}, Pointer: at.Pointer(), Decision: policy.Decision{Action: policy.Allow},
		Before: at.Raw(), After: after,
	})
}

// refuse keeps the first reason why the call must not be forwarded.
func (c *call) refuse(status int, format string, args ...any) {
	if c.refusal == nil {
		c.refusal = &Refusal{Status: status, Message: "safesock: " + fmt.Sprintf(format, args...)}
	}
}

// body is the call's JSON body, absent if there is none. It must be an object.
func (c *call) body() jsonedit.Value { return c.bodyOf('{', "an object") }

// list is the call's JSON body where that is a list.
func (c *call) list() jsonedit.Value { return c.bodyOf('[', "a list") }

func (c *call) bodyOf(kind byte, what string) jsonedit.Value {
	if len(c.Body) == 0 {
		return jsonedit.Value{}
	}
	for _, coding := range c.Header.Values("Content-Encoding") {
		if !strings.EqualFold(coding, "identity") {
			c.refuse(http.StatusUnsupportedMediaType, "a body with Content-Encoding %q cannot be read; send it as it is", coding)
			return jsonedit.Value{}
		}
	}
	body, err := jsonedit.Parse(string(c.Body))
	if err != nil {
		c.refuse(http.StatusBadRequest, "the body: %v", err)
		return jsonedit.Value{}
	}
	return c.document("", body, http.StatusBadRequest, kind, what)
}

// document is a JSON text of a kind. Its name is "" for the call's own body.
func (c *call) document(name string, text *jsonedit.Text, status int, kind byte, what string) jsonedit.Value {
	doc := &jsonedit.Document{Text: text, Name: name}
	doc.Refuse = func(pointer, problem string) {
		if name != "" {
			pointer = name + " " + pointer
		}
		c.refuse(status, "%s: %s", cmp.Or(strings.TrimSpace(pointer), "the body"), problem)
	}
	root := jsonedit.Value{Doc: doc}.OrAbsent()
	if !root.Absent() {
		root.Is(kind, what)
	}
	return root
}

// query is a parameter of the call's query, "" if it has none. Engines do not
// agree on which one counts if there are several.
func (c *call) query(name string) string {
	found := c.parameters(name)
	slices.Sort(found)
	found = slices.Compact(found)
	if len(found) > 1 {
		c.refuse(http.StatusBadRequest, "?%s appears twice", name)
	}
	return strings.Join(found, "")
}

// parameters are all values of a parameter of the query. Podman folds the case
// of its name. This is not left to net/url, whose versions differ: since Go
// 1.25.6 it finds nothing in a query of more than 10,000 parameters.
func (c *call) parameters(name string) (all []string) {
	if c.params == nil {
		c.params = url.Values{}
		written := strings.Split(c.URL.RawQuery, "&")
		if len(written) > maxParameters {
			c.refuse(http.StatusRequestEntityTooLarge, "the query has more than %d parameters", maxParameters)
			return nil
		}
		for _, pair := range written {
			key, value, _ := strings.Cut(pair, "=")
			key, badKey := url.QueryUnescape(key)
			value, badValue := url.QueryUnescape(value)
			err := cmp.Or(badKey, badValue)
			if strings.Contains(pair, ";") { // ended a parameter before Go 1.17, and spoils one since
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

// pin makes the call name its object, the path's variable, by the Engine's id.
// The rest of the target stays as it came.
func (c *call) pin(variable, id string) {
	name := c.Vars[variable]
	if id == "" || id == name {
		return
	}
	c.then = append(c.then, func() {
		_, behind, _ := strings.Cut(c.Endpoint.Path, "{"+variable)
		behind = behind[strings.IndexByte(behind, '}')+1:]
		raw, query, found := strings.Cut(c.sent, "?")
		end := len(c.URL.Path) - len(behind)
		start := end - len(name)
		if strings.Contains(behind, "{") || start < 0 || c.URL.Path[start:end] != name {
			c.refuse(http.StatusInternalServerError, "%s: cannot put an id in the place of %q", c.URL.Path, name)
			return
		}
		c.sent = raw[:rawOffset(raw, start)] + id + raw[rawOffset(raw, end):]
		if found {
			c.sent += "?" + query
		}
	})
}

// rawOffset is where the byte of a decoded path stands in the raw one.
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

// edited is the call as it is to be sent.
func (c *call) edited() (Call, error) {
	next := c.Call
	if len(c.Edits) > 0 {
		body, err := jsonedit.Splice(c.Body, c.Edits)
		if err != nil {
			return next, err
		}
		next.Body = body
	}
	if c.sent == c.came {
		return next, nil
	}
	target, err := url.ParseRequestURI(c.sent)
	if err != nil {
		return next, err
	}
	next.URL = target
	next.Match, err = Route(c.Method, target)
	if err == nil && next.Endpoint != c.Endpoint {
		err = fmt.Errorf("%s: leads elsewhere than %s", c.sent, c.came)
	}
	return next, err
}
