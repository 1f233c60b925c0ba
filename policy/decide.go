package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// Decide returns the decision of the first rule that holds for a claim. To
// decide several claims of one call, use For.
func (p *Policy) Decide(call *Call, claim Claim) Decision {
	return p.For(call).Decide(claim)
}

// For returns a Decider for the claims of a call. The call must not change
// while they are decided.
func (p *Policy) For(call *Call) *Decider {
	return &Decider{policy: p, call: call.normalized()}
}

// Decider decides the claims of one call. It is for one goroutine. Results that
// are the same for all claims of the call are kept.
type Decider struct {
	policy *Policy
	call   *Call
	scope  scope        // of the claim that is being decided
	facts  map[Kind]any // of the last claim of each kind, to be written over

	functions  *hcl.EvalContext // with interface; nil until an expression calls it
	interfaces map[string]interfaceResult
	locals     map[string]localResult
	conditions map[*rule]conditionResult // of rules that look at no claim
}

type conditionResult struct {
	holds bool
	err   error
}

type localResult struct {
	v   cty.Value
	err error
}

type interfaceResult struct {
	addrs []netip.Addr
	err   error
}

// Decide returns the decision of the first rule that holds for a claim.
func (d *Decider) Decide(claim Claim) Decision {
	if claim == nil {
		return Decision{Reason: "there is no claim to decide"}
	}
	kind := claim.Kind()
	if d.facts == nil {
		d.facts = map[Kind]any{}
	}
	d.facts[kind] = claim.facts(d.facts[kind])
	d.scope = scope{d.call, d.facts[kind]}
	for _, r := range d.policy.rules[kind] {
		if r.expired(d.call.Time) {
			continue
		}
		holds, err := d.holds(r)
		if err != nil {
			return Decision{Rule: r.Rule, Reason: err.Error()}
		}
		if holds {
			return d.outcome(r)
		}
	}
	return Decision{Reason: fmt.Sprintf(`no rule of the policy decides this claim; add one, as in %s "…" { action = "allow" }`, kind)}
}

// holds reports whether a rule decides a claim.
func (d *Decider) holds(r *rule) (bool, error) {
	if r.when == nil {
		return true, nil
	}
	if r.test != nil {
		return r.test(&d.scope), nil
	}
	if result, done := d.conditions[r]; done {
		return result.holds, result.err
	}
	v, err := d.value(r.when)
	if err == nil && (v.IsNull() || v.Type() != cty.Bool) {
		err = failure(r.when.expr, "is neither true nor false")
	}
	result := conditionResult{err == nil && v.True(), err}
	if r.sameForCall {
		if d.conditions == nil {
			d.conditions = map[*rule]conditionResult{}
		}
		d.conditions[r] = result
	}
	return result.holds, result.err
}

// outcome returns the decision of a rule that holds.
func (d *Decider) outcome(r *rule) Decision {
	denied := Decision{Rule: r.Rule}
	port, _ := d.scope.claim.(*portFacts)
	decision := Decision{Action: r.action, With: r.with, Rule: r.Rule}
	if r.message != nil {
		message, err := d.text(r.message)
		if err != nil {
			denied.Reason = err.Error()
			return denied
		}
		decision.Message, denied.Message = message, message
	}
	switch {
	case r.action == Replace && d.scope.claim.(replaceable).irreplaceable() != "":
		denied.Reason = d.scope.claim.(replaceable).irreplaceable()
		return denied
	case r.action == Bind && !port.Bindable:
		denied.Reason = "this call has no place for a host address, so that the port cannot be bound to one"
		return denied
	case r.action == Bind:
		to, reason, err := d.addresses(r)
		if err != nil {
			denied.Reason = err.Error()
			return denied
		}
		decision.To, decision.Reason = to, reason
	}
	return decision
}

// text evaluates an expression whose value is a string.
func (d *Decider) text(e *expression) (string, error) {
	v, err := d.value(e)
	if err != nil {
		return "", err
	}
	if v.IsNull() || v.Type() != cty.String {
		return "", failure(e.expr, "is not a string")
	}
	return v.AsString(), nil
}

// addresses returns the addresses that a rule binds to. If the host has no IPv6,
// it leaves the IPv6 addresses out and says so, unless no address would be left.
func (d *Decider) addresses(r *rule) (to []netip.Addr, reason string, err error) {
	constant := r.addrs != nil
	if constant {
		to = slices.Clip(r.addrs)
	} else {
		v, err := d.value(r.to)
		if err != nil {
			return nil, "", err
		}
		to, err = parseAddresses(v)
		switch {
		case err != nil && mayBeSecret(r.to.expr):
			return nil, "", failure(r.to.expr, "holds no IP address; it is not shown as it may be secret")
		case err != nil:
			return nil, "", failure(r.to.expr, err.Error())
		}
	}
	if len(to) == 0 {
		return nil, "", failure(r.to.expr, "holds no address to bind to")
	}
	if !slices.ContainsFunc(to, netip.Addr.Is6) {
		return to, "", nil
	}
	var kept, six []netip.Addr
	for _, addr := range to {
		// An address of an interface exists, whatever addresses lo has.
		if addr.Is6() && (constant || addr.IsLoopback() || addr.IsUnspecified()) {
			six = append(six, addr)
		} else {
			kept = append(kept, addr)
		}
	}
	if len(kept) > 0 && len(six) > 0 && d.lacksIPv6() {
		return kept, fmt.Sprintf("this host has no IPv6, so that %s is left out", joinAddresses(six)), nil
	}
	return to, "", nil
}

// lacksIPv6 reports whether the host is known to have no IPv6: its loopback
// interface has addresses and none of them is one.
func (d *Decider) lacksIPv6() bool {
	addrs, err := d.askInterface("lo")
	return err == nil && len(addrs) > 0 && !slices.ContainsFunc(addrs, netip.Addr.Is6)
}

// askInterface returns the addresses of an interface in their shortest form. It
// asks the host once.
func (d *Decider) askInterface(name string) ([]netip.Addr, error) {
	if result, done := d.interfaces[name]; done {
		return result.addrs, result.err
	}
	var result interfaceResult
	if d.call.Interface == nil {
		result.err = errNoLookUp
	} else {
		var addrs []netip.Addr
		addrs, result.err = d.call.Interface(name)
		for _, addr := range addrs {
			result.addrs = append(result.addrs, addr.Unmap())
		}
	}
	if d.interfaces == nil {
		d.interfaces = map[string]interfaceResult{}
	}
	d.interfaces[name] = result
	return result.addrs, result.err
}

// interfaceAddresses is the language's interface function. An Engine cannot
// publish on a link-local IPv6 address, which needs a zone.
func (d *Decider) interfaceAddresses(name string) (cty.Value, error) {
	addrs, err := d.askInterface(name)
	if err != nil {
		return cty.NilVal, err
	}
	var vals []cty.Value
	for _, addr := range addrs {
		if addr.Is4() || !addr.IsLinkLocalUnicast() && addr.Zone() == "" {
			vals = append(vals, cty.StringVal(addr.String()))
		}
	}
	if len(vals) == 0 {
		return cty.NilVal, errors.New("it has no address to use")
	}
	return cty.ListVal(vals), nil
}

// value returns the value of an expression. The error says which expression
// failed, and why.
func (d *Decider) value(e *expression) (cty.Value, error) {
	if e.constant != cty.NilVal {
		return e.constant, nil
	}
	ctx := d.context(e).NewChild()
	ctx.Variables = make(map[string]cty.Value, len(e.objects)+1)
	var missing error // why a variable is unknown
	for _, object := range e.objects {
		attrs := make(map[string]cty.Value, len(object.Attributes))
		for _, a := range object.Attributes {
			var err error
			if attrs[a.Name], err = a.value(&d.scope); err != nil {
				attrs[a.Name] = a.unknown()
				missing = failure(e.expr, fmt.Sprintf("asks for %s.%s, which is not known: %v", object.Name, a.Name, err))
			}
		}
		ctx.Variables[object.Name] = cty.ObjectVal(attrs)
	}
	if len(e.locals) > 0 {
		values := make(map[string]cty.Value, len(e.locals))
		for _, name := range e.locals {
			var err error
			if values[name], err = d.local(name); err != nil {
				values[name], missing = cty.DynamicVal, err
			}
		}
		ctx.Variables["local"] = cty.ObjectVal(values)
	}
	result, diags := e.expr.Value(ctx)
	switch {
	case diags.HasErrors():
		return cty.NilVal, d.policy.explain(diags)
	case !result.IsWhollyKnown() && missing != nil:
		return cty.NilVal, missing
	case !result.IsWhollyKnown():
		return cty.NilVal, failure(e.expr, "has no value")
	}
	return result, nil
}

// local returns the value of a local. It is evaluated once a call.
func (d *Decider) local(name string) (cty.Value, error) {
	result, done := d.locals[name]
	if !done {
		result.v, result.err = d.value(&d.policy.locals[name].expression)
		if d.locals == nil {
			d.locals = map[string]localResult{}
		}
		d.locals[name] = result
	}
	return result.v, result.err
}

// context returns the functions that an expression may call.
func (d *Decider) context(e *expression) *hcl.EvalContext {
	if !e.asksHost {
		return staticContext
	}
	if d.functions == nil {
		d.functions = staticContext.NewChild()
		d.functions.Functions = map[string]function.Function{interfaceFunction: interfaceFunc(d.interfaceAddresses)}
	}
	return d.functions
}
