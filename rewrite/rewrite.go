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
)

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

// Outcome is what came of one claim.
type Outcome struct {
	Claim    policy.Claim
	Pointer  string // JSON pointer of the claim in the body (RFC 6901); "?name" for a query parameter; "" for the call itself
	Decision policy.Decision
	Before   string // the JSON text that made the claim
	After    string // the JSON text sent instead; Before if nothing changed
	Wider    bool   // of a port without address that is bound: the policy takes it on every interface if the client asks for that
	HostPort string // of a port on several addresses: the one chosen for all of them, "" if none had to be
}

// Refusal is the error of a call that must not be forwarded.
type Refusal struct {
	Status  int    // HTTP status: 400 not understood, 403 denied by a rule, 413, 500, 502
	Message string // for the client, what to do next included
}

func (r *Refusal) Error() string { return r.Message }

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
	first := newCall(c, known)
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
	second := newCall(edited, known)
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

const ownMistake = "a mistake of safesock's own, please report it"

// run reads the call, decides its claims and notes what has to change.
func (c *call) run(p *policy.Policy) {
	c.refuseForms()
	if c.Endpoint != nil && c.Endpoint.read != nil && c.refusal == nil {
		c.Endpoint.read(c)
	}
	if c.refusal == nil && p.LooksAtKnown() {
		c.Known = c.Known && !c.beyondReview()
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
func (c *call) beyondReview() bool {
	if c.Endpoint == nil || c.Endpoint.Name == "grpc.call" || c.Version != "" {
		return false
	}
	version := c.engine(engineVersion, "")
	if !strings.HasPrefix(c.Path, "/libpod/") {
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
func (c *call) decide(p *policy.Policy) {
	about := policy.Call{
		Method: c.Method, Path: c.Path, Version: c.Version, Known: c.Known,
		Container: c.container, Compose: c.compose, Client: c.Client,
		Time: c.Time, Interface: c.world.Addresses,
	}
	if c.Endpoint != nil {
		about.Endpoint = c.Endpoint.Name
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
	case action == policy.Deny && scopeless(port.IP):
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
func (c *call) settle(rules *policy.Decider, cl *claim) {
	if cl.decision.Action != policy.Deny && c.met(cl) {
		return
	}
	for _, asked := range c.askedBefore(cl.Claim) {
		made := &claim{Claim: cl.Claim, decision: rules.Decide(asked)}
		if action := made.decision.Action; (action == policy.Bind || action == policy.Replace) && c.met(made) {
			cl.decision = made.decision
			return
		}
	}
}

// askedBefore are the claims of which a rule may have made this one.
func (c *call) askedBefore(made policy.Claim) (asked []policy.Claim) {
	switch made := made.(type) {
	case policy.Port:
		for _, ip := range []string{"", "0.0.0.0", "::"} {
			made.IP = ip
			asked = append(asked, made)
		}
	case policy.Mount:
		if made.Source == c.Listen {
			made.Source, made.Engine, made.Socket = c.Upstream, true, true
			asked = append(asked, made)
		}
	}
	return asked
}

// edit makes the decisions come true.
func (c *call) edit() {
	for _, cl := range c.claims {
		refused := cl.decision.Action == policy.Deny && cl.unpublished == ""
		if refused || !c.met(cl) && cl.edit == nil {
			c.refusal = &Refusal{http.StatusForbidden, c.denial(cl)}
			return
		}
	}
	for _, cl := range c.claims {
		if !c.met(cl) {
			cl.edited, cl.after = true, cl.edit(cl.decision)
		}
	}
	for _, then := range c.then {
		then()
	}
}

// met tells whether a claim already is what the policy wants it to be.
func (c *call) met(cl *claim) bool {
	switch cl.decision.Action {
	case policy.Allow, policy.Warn:
		return true
	case policy.Bind, policy.Deny: // Deny has addresses for a port that is not published
		port, ok := cl.Claim.(policy.Port)
		return ok && isOneOf(port.IP, cl.decision.To)
	case policy.Replace:
		mount, ok := cl.Claim.(policy.Mount)
		return ok && mount.Source == c.Listen
	}
	return false
}

// isOneOf tells whether an address, in its shortest spelling, is in a list.
func isOneOf(ip string, addrs []netip.Addr) bool {
	if ip == "" {
		return false
	}
	addr, err := netip.ParseAddr(ip)
	return err == nil && slices.Contains(addrs, addr)
}

// observe turns a refusal into an outcome.
func (c *call) observe() {
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
func (c *call) refuseForms() {
	if c.Endpoint == nil || strings.HasPrefix(c.Path, "/libpod/") {
		return
	}
	length := c.Header.Get("Content-Length")
	if len(c.Body) == 0 && (length == "0" || c.Endpoint.Traits&Streams == 0) {
		return
	}
	for _, kind := range c.Header.Values("Content-Type") {
		if strings.Contains(strings.ToLower(kind), "form") {
			c.refuse(http.StatusUnsupportedMediaType, "a body of the Content-Type %q is not read by this endpoint; send application/json", kind)
		}
	}
}

// changers names the rules that change the call.
func (c *call) changers() string {
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

func (c *call) changed() bool {
	return len(c.Edits) > 0 || c.sent != c.came
}

func (c *call) result() Result {
	r := Result{Target: c.came, Body: c.Body, Container: c.container, Compose: c.compose}
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
