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

// edited returns the call with the changes made.
func (c *pass) edited() (Call, error) {
	next := c.call
	if len(c.Edits) > 0 {
		body, err := jsonedit.Splice(c.call.Body, c.Edits)
		if err != nil {
			return next, err
		}
		next.Body = body
	}
	if c.messageChanged() {
		next.Body = framed(c.sentMessage)
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
		err = fmt.Errorf("%s leads to another endpoint than %s", c.sent, c.came)
	}
	return next, err
}

// Call is one request to the Engine.
type Call struct {
	Match           // from Route
	URL    *url.URL // the parsed target
	Header http.Header
	Body   []byte // the whole body; nil unless Match.ReadsBody

	Client policy.Client
	Time   time.Time

	Upstream string // path of the guarded Engine's socket, symbolic links resolved
	Listen   string // path of safesock's own socket, which replaces it in mounts
}

// Result is a call after Apply.
type Result struct {
	Target   string // the request target to send, Call's own if nothing changed it
	Body     []byte // the body to send, Call's own slice if nothing changed it
	Outcomes []Outcome
	Pins     []Pin // the names that were replaced

	Container policy.Container
	Compose   policy.Compose
	Build     policy.Build
}

// Apply reads a call, lets the policy decide its claims, and makes the changes
// that the decisions ask for. An edited call is read and decided a second time,
// and must not change any more. The error is a *Refusal; the Result has its
// Outcomes all the same. A policy in observe mode changes and refuses nothing. A
// panic in this package refuses the call.
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
	second.recheck = true
	second.run(p)
	if second.refusal != nil {
		return result, &Refusal{http.StatusInternalServerError, "safesock: the policy's rules do not agree: what " + first.changers() +
			" made of this call is refused: " + strings.TrimPrefix(second.refusal.Message, "safesock: ")}
	}
	if second.changed() {
		return result, &Refusal{http.StatusInternalServerError, "safesock: the policy's rules do not agree: what " + first.changers() +
			" made of this call would be changed again by " + second.changers()}
	}
	result.Target, result.Body, result.Pins = first.sent, edited.Body, first.pinned
	return result, nil
}

// pass reads, decides and edits a call once.
type pass struct {
	*reading
	call    Call
	recheck bool // the call was edited and is read for the second time

	policy *policy.Policy
	about  policy.Call
	past   map[time.Time]*policy.Decider // by when an existing container was created
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

// ownMistake is what a client is told after a panic.
const ownMistake = "a mistake of safesock's own, please report it"

// run reads the call, decides its claims and notes what has to change.
func (c *pass) run(p *policy.Policy) {
	if c.call.Endpoint != nil && c.call.Endpoint.read != nil {
		c.refuseMultipart()
		c.call.Endpoint.read(c.reading)
		c.unread(knownFields()[c.call.Endpoint.Name])
	}
	if c.refusal == nil && p.LooksAtKnown() {
		c.call.Known = c.call.Known && !c.isNewerThanReviewed()
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

// isNewerThanReviewed reports whether a call without a version is read with an
// API that was not reviewed: the Engine takes its newest. gRPC has no API
// versions, and calls that are not intercepted are not worth a look-up.
func (c *pass) isNewerThanReviewed() bool {
	if c.call.Endpoint == nil || c.call.Endpoint.Traits&GRPC != 0 || c.call.Version != "" {
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

// decide gives each claim its decision. The call itself becomes the first claim
// unless it is simply allowed.
func (c *pass) decide(p *policy.Policy) {
	about := policy.Call{
		Method: c.call.Method, Path: c.call.Path, Version: c.call.Version, Known: c.call.Known,
		Container: c.container, Compose: c.compose, Build: c.build, Client: c.call.Client,
		Time: c.call.Time, Interface: c.world.Addresses,
	}
	if c.call.Endpoint != nil {
		about.Endpoint = c.call.Endpoint.Name
	}
	rules := p.For(&about)
	c.policy, c.about, c.past = p, about, map[time.Time]*policy.Decider{}
	itself := &claim{Claim: policy.API{}, decision: rules.Decide(policy.API{})}
	var decided []*claim
	if itself.decision.Action != policy.Allow {
		decided = append(decided, itself)
	}
	for _, cl := range c.claims {
		for ; cl != nil; cl = c.decideRun(rules, decided[len(decided)-1]) {
			if len(decided) > maxClaims {
				c.refuse(http.StatusRequestEntityTooLarge, "%s: the policy decides this call's ports in more than %d different ways; publish fewer, or simplify the rules", cl.at.Pointer(), maxClaims)
				break
			}
			decided = append(decided, cl)
		}
	}
	c.claims = decided
}

// decideRun decides a claim. A run ends before the first port that is decided in
// another way, and the rest is returned.
func (c *pass) decideRun(rules *policy.Decider, cl *claim) (rest *claim) {
	cl.decision, cl.advisedIP = c.decideClaim(rules, cl, cl.Claim)
	if len(cl.items) < 2 {
		return nil
	}
	if c.needsSharedPort(cl.port(0), cl.decision.To) {
		return cl.split(1)
	}
	for i := 1; i < len(cl.items) && cl.step > 0; i++ {
		decision, advised := c.decideClaim(rules, cl, cl.port(i))
		if !isSame(decision, cl.decision) || advised != cl.advisedIP {
			return cl.split(i)
		}
	}
	return nil
}

// isSame reports whether two decisions are equal.
func isSame(a, b policy.Decision) bool {
	return a.Action == b.Action && slices.Equal(a.To, b.To) && a.Rule == b.Rule && a.Message == b.Message && a.Reason == b.Reason
}

// decideClaim decides one port of a claim, or the claim. It also returns an
// address that the policy would accept.
func (c *pass) decideClaim(rules *policy.Decider, cl *claim, one policy.Claim) (decision policy.Decision, advised string) {
	decision = c.possible(rules.Decide(one))
	_, isMount := one.(policy.Mount) // a client can copy a mount from a container that exists
	if isMount || c.recheck || cl.advice != "" {
		decision = c.acceptEdited(rules, one, decision)
	}
	if port, isPort := one.(policy.Port); isPort && c.isExisting(cl.at) {
		decision = c.withoutExpired(rules, c.existing[cl.at.Document()].created, port, decision)
	}
	if cl.portlessMode != "" && decision.Action == policy.Deny {
		// The rule decides again when the container joins a network that
		// publishes the port. Until then the binding stays on loopback.
		decision.To = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	return decision, advisedIP(rules, one, decision)
}

// advisedIP is an address that the policy accepts if the client names it. For a
// port without an address that a rule binds, the address is wider than the
// rule's. For a refused port on every interface, it is loopback. It is "" if the
// policy accepts no such address.
func advisedIP(rules *policy.Decider, claimed policy.Claim, decision policy.Decision) string {
	port, ok := claimed.(policy.Port)
	switch action := decision.Action; {
	case !ok || !port.Bindable:
		return ""
	case action == policy.Bind && port.IP == "":
		port.IP = "0.0.0.0"
	case action == policy.Deny && port.PublishedOn() == policy.EveryInterface:
		port.IP = "127.0.0.1"
	default:
		return ""
	}
	if action := rules.Decide(port).Action; action != policy.Allow && action != policy.Warn {
		return ""
	}
	return port.IP
}

// acceptEdited keeps a claim as an earlier decision edited it, whatever the rules
// say of such a claim itself. A rule can bind a port without an address to every
// interface, and a later rule can refuse a client that asks for every interface:
// the port stays bound.
func (c *pass) acceptEdited(rules *policy.Decider, edited policy.Claim, decision policy.Decision) policy.Decision {
	if _, isPort := edited.(policy.Port); isPort && decision.Action != policy.Deny && c.met(edited, decision) {
		return decision
	}
	for _, original := range c.originals(edited) {
		before := c.possible(rules.Decide(original))
		if (before.Action == policy.Bind || before.Action == policy.Replace) && c.met(edited, before) {
			return before
		}
	}
	return decision
}

// withoutExpired decides a port of an existing container as a port without an
// address if a rule bound such a port to this address when the container was
// created, and has expired since. The Engine does not know what the client asked
// for, so that an address that the client named counts as unset, too.
func (c *pass) withoutExpired(rules *policy.Decider, created time.Time, port policy.Port, decision policy.Decision) policy.Decision {
	past := c.past[created]
	if past == nil {
		about := c.about
		about.Time = created
		past = c.policy.For(&about)
		c.past[created] = past
	}
	unset := port
	unset.IP = ""
	before, now := past.Decide(unset), rules.Decide(unset)
	if before.Action != policy.Bind || before.Rule == now.Rule || !isOneOf(port.IP, before.To) || met(port, now, c.listen) {
		return decision
	}
	now.Reason = before.Rule.String() + ", which published it, has expired"
	return now
}

// originals are the claims that a decision could have edited into this claim.
func (c *pass) originals(edited policy.Claim) (all []policy.Claim) {
	switch claim := edited.(type) {
	case policy.Port:
		for _, ip := range []string{"", "0.0.0.0", "::"} {
			claim.IP = ip
			all = append(all, claim)
		}
	case policy.Mount:
		claim.Source, claim.Engine, claim.Socket, claim.Unseen = c.upstream, true, true, ""
		all = append(all, claim)
	}
	return all
}

// met reports whether a claim needs no change after a decision.
func (c *pass) met(claimed policy.Claim, decision policy.Decision) bool {
	return met(claimed, decision, c.replacement(decision).path)
}

// edit makes the changes that the decisions ask for, or refuses the call.
func (c *pass) edit() {
	for _, cl := range c.claims {
		refused := cl.decision.Action == policy.Deny && cl.portlessMode == ""
		if refused || !c.met(cl.Claim, cl.decision) && !cl.editable() {
			c.refusal = &Refusal{http.StatusForbidden, denial(cl, c.call.Method+" "+c.call.Path)}
			return
		}
	}
	for _, cl := range c.claims {
		if cl.edit != nil && !c.met(cl.Claim, cl.decision) {
			cl.edited, cl.after = true, cl.edit(cl.decision)
			if _, isMount := cl.Claim.(policy.Mount); isMount {
				cl.decision.Reason = c.groupAdvice(c.replacement(cl.decision))
			}
		}
	}
	c.writeLists()
	for _, pin := range c.pins {
		pin()
	}
}

// observe turns a refusal into an outcome, so that the call is forwarded.
func (c *pass) observe() {
	if c.refusal == nil {
		return
	}
	reason := strings.TrimPrefix(c.refusal.Message, "safesock: ")
	c.claims = append(c.claims, &claim{Claim: policy.API{}, decision: policy.Decision{Reason: reason}})
	c.refusal = nil
}

// changers are the names of the rules that change the call.
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
	return len(c.Edits) > 0 || c.sent != c.came || c.messageChanged()
}

func (c *pass) result() Result {
	r := Result{Target: c.came, Body: c.call.Body, Container: c.container, Compose: c.compose, Build: c.build}
	r.Outcomes = slices.Grow(r.Outcomes, len(c.claims)+len(c.notes))
	for _, cl := range c.claims {
		if cl.portlessMode == "" {
			r.Outcomes = append(r.Outcomes, cl.outcome())
		}
	}
	r.Outcomes = append(r.Outcomes, c.unpublishedOutcomes()...)
	r.Outcomes = append(r.Outcomes, c.notes...)
	return r
}
