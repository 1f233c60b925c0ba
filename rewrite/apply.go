package rewrite

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// edited is the call as it is to be sent.
func (c *pass) edited() (Call, error) {
	next := c.call
	if len(c.Edits) > 0 {
		body, err := jsonedit.Splice(c.call.Body, c.Edits)
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
	next.Match, err = Route(c.call.Method, target)
	if err == nil && next.Endpoint != c.call.Endpoint {
		err = fmt.Errorf("%s: leads elsewhere than %s", c.sent, c.came)
	}
	return next, err
}

// Call is one request to the Engine, and what is known about it.
type Call struct {
	Match           // where it leads, from Route
	URL    *url.URL // its target, parsed
	Header http.Header
	Body   []byte // whole; nil for endpoints that stream theirs

	Client policy.Client
	Time   time.Time

	Upstream string // path of the guarded Engine's socket, symbolic links resolved
	Listen   string // path of safesock's own socket, which replaces it in mounts
}

// Result is what became of a call.
type Result struct {
	Target   string // the request target to send, Call's own if nothing changed it
	Body     []byte // the body to send, Call's own slice if nothing changed it
	Outcomes []Outcome

	Container policy.Container
	Compose   policy.Compose
}

// Apply reads a call, lets the policy decide its claims, and edits what the
// decisions change. What was edited is read and decided once more, and nothing
// may change then. The error is a *Refusal, and the Result's Outcomes tell
// then too what was found. A policy in observe mode edits and refuses nothing.
// A mistake in this package refuses the one call that shows it.
func Apply(p *policy.Policy, c Call, w World) (result Result, err error) {
	defer func() {
		if bug := recover(); bug != nil {
			result, err = Result{}, &Refusal{http.StatusInternalServerError, fmt.Sprintf("safesock: %s: %v", ownMistake, bug)}
		}
	}()
	known := remember(w)
	first := newPass(c, known)
	first.run(p)
	result = first.result()
	if first.refusal != nil {
		return result, first.refusal
	}
	if !first.changed() {
		return result, nil
	}

	edited, err := first.edited()
	if err != nil {
		return result, &Refusal{http.StatusInternalServerError, "safesock: " + err.Error()}
	}
	second := newPass(edited, known)
	second.again = true
	second.run(p)
	if second.refusal != nil {
		return result, &Refusal{http.StatusInternalServerError, "safesock: the policy's rules do not agree: what " + first.changers() +
			" made of this call is refused: " + strings.TrimPrefix(second.refusal.Message, "safesock: ")}
	}
	if second.changed() {
		return result, &Refusal{http.StatusInternalServerError, "safesock: the policy's rules do not agree: what " + first.changers() +
			" made of this call would be changed again by " + second.changers()}
	}
	result.Target, result.Body = first.sent, edited.Body
	return result, nil
}

// pass is a call that is read, decided and edited once.
type pass struct {
	*reading
	call  Call
	again bool // the call was edited, and is read once more
}

func newPass(c Call, known *memory) *pass {
	r := &reading{
		request: request{
			path: c.Path, vars: c.Vars, url: c.URL, header: c.Header, text: c.Body,
			upstream: c.Upstream, listen: c.Listen,
		},
		world: known, came: c.URL.RequestURI(),
	}
	r.sent = r.came
	if c.Endpoint != nil {
		r.route = c.Endpoint.Path
	}
	return &pass{reading: r, call: c}
}

const ownMistake = "a mistake of safesock's own, please report it"

// run reads the call, decides its claims and notes what has to change.
func (c *pass) run(p *policy.Policy) {
	c.refuseForms()
	if c.call.Endpoint != nil && c.call.Endpoint.read != nil && c.refusal == nil {
		c.call.Endpoint.read(c.reading)
	}
	if c.refusal == nil && p.LooksAtKnown() {
		c.call.Known = c.call.Known && !c.beyondReview()
	}
	c.decide(p)
	if p.Observe() {
		c.observe()
		return
	}
	if c.refusal == nil {
		c.edit()
	}
}

// beyondReview tells whether a call that names no version is one of an API
// that was not reviewed: the Engine reads it as its newest. gRPC has no such
// versions, and calls that are not intercepted are not worth the question: of
// both, the route alone is known.
func (c *pass) beyondReview() bool {
	if c.call.Endpoint == nil || c.call.Endpoint.Name == "grpc.call" || c.call.Version != "" {
		return false
	}
	version := c.engine(engineVersion, "")
	if !strings.HasPrefix(c.call.Path, "/libpod/") {
		return olderThan(newestEngine, version.Field("ApiVersion").Text())
	}
	for part := range version.Field("Components").Items() {
		if part.Field("Name").Text() == podmanEngine && olderThan(newestLibpod, part.Field("Version").Text()) {
			return true
		}
	}
	return false
}

// decide gives each claim its decision. The call itself is the first claim; it
// is of interest only if it is not simply allowed.
func (c *pass) decide(p *policy.Policy) {
	about := policy.Call{
		Method: c.call.Method, Path: c.call.Path, Version: c.call.Version, Known: c.call.Known,
		Container: c.container, Compose: c.compose, Client: c.call.Client,
		Time: c.call.Time, Interface: c.world.Addresses,
	}
	if c.call.Endpoint != nil {
		about.Endpoint = c.call.Endpoint.Name
	}
	rules := p.For(&about)
	itself := &claim{Claim: policy.API{}, decision: rules.Decide(policy.API{})}
	for _, cl := range c.claims {
		cl.decision = rules.Decide(cl.Claim)
		if c.again || cl.held != "" {
			c.settle(rules, cl)
		}
		if cl.unpublished != "" && cl.decision.Action == policy.Deny {
			// The rule is asked again when the container joins a network that
			// publishes the port. Until then the port is kept where nobody
			// else would reach it.
			cl.decision.To = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
		}
		cl.named = named(rules, cl)
	}
	if itself.decision.Action != policy.Allow {
		c.claims = append([]*claim{itself}, c.claims...)
	}
}

// named is an address that the policy takes if the client names it, for the
// advice about a port that named none: a wider one than a rule bound it to, or
// any if it is refused. It is "" if there is none.
func named(rules *policy.Decider, cl *claim) string {
	port, ok := cl.Claim.(policy.Port)
	switch action := cl.decision.Action; {
	case !ok || !port.Bindable:
		return ""
	case action == policy.Bind && port.IP == "":
		port.IP = "0.0.0.0"
	case action == policy.Deny && port.Place() == policy.EveryInterface:
		port.IP = "127.0.0.1"
	default:
		return ""
	}
	if action := rules.Decide(port).Action; action != policy.Allow && action != policy.Warn {
		return ""
	}
	return port.IP
}

// settle lets a claim that has been through the policy stay what a rule made
// it: a port that is bound to every interface because it named no address
// stays there, even if a later rule refuses those who ask for every interface.
func (c *pass) settle(rules *policy.Decider, cl *claim) {
	if cl.decision.Action != policy.Deny && cl.met(c.listen) {
		return
	}
	for _, asked := range c.askedBefore(cl.Claim) {
		made := &claim{Claim: cl.Claim, decision: rules.Decide(asked)}
		if action := made.decision.Action; (action == policy.Bind || action == policy.Replace) && made.met(c.listen) {
			cl.decision = made.decision
			return
		}
	}
}

// askedBefore are the claims of which a rule may have made this one.
func (c *pass) askedBefore(made policy.Claim) (asked []policy.Claim) {
	switch made := made.(type) {
	case policy.Port:
		for _, ip := range []string{"", "0.0.0.0", "::"} {
			made.IP = ip
			asked = append(asked, made)
		}
	case policy.Mount:
		if made.Source == c.listen {
			made.Source, made.Engine, made.Socket = c.upstream, true, true
			asked = append(asked, made)
		}
	}
	return asked
}

// edit makes the decisions come true.
func (c *pass) edit() {
	for _, cl := range c.claims {
		refused := cl.decision.Action == policy.Deny && cl.unpublished == ""
		if refused || !cl.met(c.listen) && cl.edit == nil && !cl.listed {
			c.refusal = &Refusal{http.StatusForbidden, denial(cl, c.call.Method+" "+c.call.Path)}
			return
		}
	}
	for _, cl := range c.claims {
		if cl.edit != nil && !cl.met(c.listen) {
			cl.edited, cl.after = true, cl.edit(cl.decision)
		}
	}
	c.writeLists()
	for _, then := range c.then {
		then()
	}
}

// observe turns a refusal into an outcome.
func (c *pass) observe() {
	if c.refusal == nil {
		return
	}
	reason := strings.TrimPrefix(c.refusal.Message, "safesock: ")
	c.claims = append(c.claims, &claim{Claim: policy.API{}, decision: policy.Decision{Reason: reason}})
	c.refusal = nil
}

// refuseForms refuses a body that Engines would take for parameters of the
// query: net/http puts them before those of the target. Podman's own API reads
// the target alone, and takes forms of files.
func (c *pass) refuseForms() {
	if c.call.Endpoint == nil || strings.HasPrefix(c.call.Path, "/libpod/") {
		return
	}
	length := c.call.Header.Get("Content-Length")
	if len(c.call.Body) == 0 && (length == "0" || c.call.Endpoint.Traits&Streams == 0) {
		return
	}
	for _, kind := range c.call.Header.Values("Content-Type") {
		if strings.Contains(strings.ToLower(kind), "form") {
			c.refuse(http.StatusUnsupportedMediaType, "a body of the Content-Type %q is not read by this endpoint; send application/json", kind)
		}
	}
}

// changers names the rules that change the call.
func (c *pass) changers() string {
	var rules []string
	for _, cl := range c.claims {
		if rule := cl.decision.Rule.String(); cl.edited && cl.after != cl.before() && !slices.Contains(rules, rule) {
			rules = append(rules, rule)
		}
	}
	if len(rules) == 0 {
		return "safesock"
	}
	return strings.Join(rules, " and ")
}

func (c *pass) changed() bool {
	return len(c.Edits) > 0 || c.sent != c.came
}

func (c *pass) result() Result {
	r := Result{Target: c.came, Body: c.call.Body, Container: c.container, Compose: c.compose}
	r.Outcomes = slices.Grow(r.Outcomes, len(c.claims)+len(c.notes))
	for _, cl := range c.claims {
		if cl.unpublished == "" {
			r.Outcomes = append(r.Outcomes, cl.outcome())
		}
	}
	r.Outcomes = append(r.Outcomes, c.unpublishedPorts()...)
	r.Outcomes = append(r.Outcomes, c.notes...)
	return r
}
