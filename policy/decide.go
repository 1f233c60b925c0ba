package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// Decide gives the decision of the first rule that holds for a claim. To
// decide many claims of one call, use For.
func (p *Policy) Decide(call *Call, claim Claim) Decision {
	return p.For(call).Decide(claim)
}

// For readies the decisions about one call, which must not change while they
// are made. What the claims of a call have in common is worked out once.
func (p *Policy) For(call *Call) *Decider {
	return &Decider{policy: p, call: normalCall(call)}
}

// Decider decides the claims of one call. It is for one goroutine.
type Decider struct {
	policy *Policy
	call   *Call
	scope  scope // of the claim that is being decided

	functions  *hcl.EvalContext // with interface; nil until an expression calls it
	interfaces map[string]interfaceAnswer
	locals     map[string]localAnswer
	conditions map[*rule]conditionAnswer // of rules that look at no claim
}

type conditionAnswer struct {
	holds bool
	err   error
}

type localAnswer struct {
	v   cty.Value
	err error
}

type interfaceAnswer struct {
	addrs []netip.Addr
	err   error
}

// Decide gives the decision of the first rule that holds for a claim.
func (d *Decider) Decide(claim Claim) Decision {
	var known bool
	if d.scope, known = newScope(d.call, claim); !known {
		return Decision{Reason: fmt.Sprintf("a policy cannot decide a claim of type %T", claim)}
	}
	kind := claim.Kind()
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
	return Decision{Reason: fmt.Sprintf(`no rule of the policy decides this %s; add one, as in %s "…" { action = "allow" }`, noun(kind), kind)}
}

func noun(kind Kind) string {
	if kind == KindAPI {
		return "call"
	}
	return string(kind)
}

// holds reports whether a rule decides a claim.
func (d *Decider) holds(r *rule) (bool, error) {
	if r.when == nil {
		return true, nil
	}
	if r.test != nil {
		return r.test(&d.scope), nil
	}
	if answer, done := d.conditions[r]; done {
		return answer.holds, answer.err
	}
	v, err := d.value(r.when)
	if err == nil && (v.IsNull() || v.Type() != cty.Bool) {
		err = failure(r.when.expr, "is neither true nor false")
	}
	answer := conditionAnswer{err == nil && v.True(), err}
	if r.common {
		if d.conditions == nil {
			d.conditions = map[*rule]conditionAnswer{}
		}
		d.conditions[r] = answer
	}
	return answer.holds, answer.err
}

// outcome is what a rule that holds says.
func (d *Decider) outcome(r *rule) Decision {
	denied := Decision{Rule: r.Rule}
	decision := Decision{Action: r.action, Rule: r.Rule}
	if r.message != nil {
		message, err := d.text(r.message)
		if err != nil {
			denied.Reason = err.Error()
			return denied
		}
		decision.Message, denied.Message = message, message
	}
	switch {
	case r.action == Replace && !d.scope.mount.Socket:
		denied.Reason = "only the socket of the Engine that safesock guards can be replaced"
		return denied
	case r.action == Bind && !d.scope.port.Bindable:
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

// text evaluates an expression that gives a text.
func (d *Decider) text(v *value) (string, error) {
	val, err := d.value(v)
	if err != nil {
		return "", err
	}
	if val.IsNull() || val.Type() != cty.String {
		return "", failure(v.expr, "is no text")
	}
	return val.AsString(), nil
}

// addresses are those that a rule binds to. Where the host has no IPv6, it
// leaves out those and says so, unless none would be left.
func (d *Decider) addresses(r *rule) (to []netip.Addr, reason string, err error) {
	literal := r.addrs != nil
	if literal {
		to = slices.Clip(r.addrs)
	} else {
		val, err := d.value(r.to)
		if err != nil {
			return nil, "", err
		}
		to, err = addressesOf(val)
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
	// An address that comes from an interface is there, whatever lo has.
	if !slices.ContainsFunc(to, netip.Addr.Is6) {
		return to, "", nil
	}
	var kept, six []netip.Addr
	for _, addr := range to {
		if addr.Is6() && (literal || addr.IsLoopback() || addr.IsUnspecified()) {
			six = append(six, addr)
		} else {
			kept = append(kept, addr)
		}
	}
	if len(kept) > 0 && len(six) > 0 && d.lacksIPv6() {
		return kept, fmt.Sprintf("this host has no IPv6, so that %s is left out", join(six)), nil
	}
	return to, "", nil
}

func join(addrs []netip.Addr) string {
	texts := make([]string, len(addrs))
	for i, addr := range addrs {
		texts[i] = addr.String()
	}
	return strings.Join(texts, ", ")
}

// addressesOf reads a text, or a list of texts and lists, each address once.
func addressesOf(v cty.Value) ([]netip.Addr, error) {
	ty := v.Type()
	switch {
	case v.IsNull():
		return nil, errors.New("holds null")
	case ty == cty.String:
		addr, err := parseAddress(v.AsString())
		if err != nil {
			return nil, err
		}
		return []netip.Addr{addr}, nil
	case !ty.IsTupleType() && !ty.IsListType() && !ty.IsSetType():
		return nil, fmt.Errorf("holds a %s, which is no address", ty.FriendlyName())
	}
	var all []netip.Addr
	for _, element := range v.AsValueSlice() {
		addrs, err := addressesOf(element)
		if err != nil {
			return nil, err
		}
		for _, addr := range addrs {
			if !slices.Contains(all, addr) {
				all = append(all, addr)
			}
		}
	}
	return all, nil
}

// parseAddress reads an address that an Engine can publish on.
func parseAddress(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("holds %q, which is no IP address", text)
	}
	return addr.Unmap(), nil
}

// lacksIPv6 reports whether the host is known to have no IPv6: its loopback
// interface has addresses and none of them is one.
func (d *Decider) lacksIPv6() bool {
	addrs, err := d.askInterface("lo")
	return err == nil && len(addrs) > 0 && !slices.ContainsFunc(addrs, netip.Addr.Is6)
}

// askInterface gives the addresses of an interface in their shortest form,
// asking the host once.
func (d *Decider) askInterface(name string) ([]netip.Addr, error) {
	if answer, ok := d.interfaces[name]; ok {
		return answer.addrs, answer.err
	}
	var answer interfaceAnswer
	if d.call.Interface == nil {
		answer.err = errors.New("the host's interfaces are not known here")
	} else {
		var addrs []netip.Addr
		addrs, answer.err = d.call.Interface(name)
		for _, addr := range addrs {
			answer.addrs = append(answer.addrs, addr.Unmap())
		}
	}
	if d.interfaces == nil {
		d.interfaces = map[string]interfaceAnswer{}
	}
	d.interfaces[name] = answer
	return answer.addrs, answer.err
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
func (d *Decider) value(v *value) (cty.Value, error) {
	if v.known != cty.NilVal {
		return v.known, nil
	}
	ctx := d.context(v).NewChild()
	ctx.Variables = make(map[string]cty.Value, len(v.objects)+1)
	var missing error // why a part of the variables is unknown
	for _, object := range v.objects {
		var err error
		if ctx.Variables[object.Name], err = object.value(&d.scope); err != nil {
			missing = failure(v.expr, err.Error())
		}
	}
	if len(v.locals) > 0 {
		locals := make(map[string]cty.Value, len(v.locals))
		for _, name := range v.locals {
			var err error
			if locals[name], err = d.local(name); err != nil {
				locals[name], missing = cty.DynamicVal, err
			}
		}
		ctx.Variables["local"] = cty.ObjectVal(locals)
	}
	result, diags := v.expr.Value(ctx)
	switch {
	case diags.HasErrors():
		return cty.NilVal, d.explain(diags)
	case !result.IsWhollyKnown() && missing != nil:
		return cty.NilVal, missing
	case !result.IsWhollyKnown():
		return cty.NilVal, failure(v.expr, "has no value")
	}
	return result, nil
}

// local returns the value of a local, which is evaluated once for all claims
// of a call.
func (d *Decider) local(name string) (cty.Value, error) {
	answer, done := d.locals[name]
	if !done {
		answer.v, answer.err = d.value(&d.policy.locals[name].value)
		if d.locals == nil {
			d.locals = map[string]localAnswer{}
		}
		d.locals[name] = answer
	}
	return answer.v, answer.err
}

// context returns the functions that an expression may call.
func (d *Decider) context(v *value) *hcl.EvalContext {
	if !v.asksHost {
		return staticContext
	}
	if d.functions == nil {
		d.functions = staticContext.NewChild()
		d.functions.Functions = map[string]function.Function{interfaceFunction: interfaceFunc(d.interfaceAddresses)}
	}
	return d.functions
}

var staticContext = &hcl.EvalContext{Functions: functionTable()}
