package rewrite

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/safesock/safesock/policy"
)

// Warning is what the user is told about an outcome, "" if nothing. The docker
// command prints it after "WARNING: ".
func (o Outcome) Warning() string {
	d := o.Decision
	switch d.Action {
	case policy.Allow:
		if d.Reason == "" || d.Reason == publishedOnHost {
			return d.Reason
		}
		return "safesock: " + d.Reason
	case policy.Warn:
		return "safesock: " + o.subject() + " " + o.Claim.Effect() + because(d, "")
	case policy.Replace:
		if o.Before == o.After && !o.pending() {
			return ""
		}
		m, ok := o.Claim.(policy.Mount)
		switch {
		case !ok && o.Claim.(policy.Privilege).Value == anyFrontend: // most Dockerfiles name none
			return ""
		case !ok:
			return fmt.Sprintf("safesock: %s %s replaced by the Engine's own%s", o.Claim.Subject(), o.would("is"), because(d, ""))
		}
		socket := "safesock's own socket instead of the Engine's"
		if d.With != "" {
			socket = d.With + " instead of the Engine's socket"
		}
		return fmt.Sprintf("safesock: the mount%s %s %s%s", m.On(), o.would("is"), socket, because(d, ""))
	case policy.Bind:
		p, ok := o.Claim.(policy.Port)
		if !ok || o.Before == o.After && !o.pending() {
			return ""
		}
		return fmt.Sprintf("safesock: %s %s published on %s", o.subject(), o.would("is"), o.boundTo(p))
	default: // in observe mode only
		return "safesock: " + o.subject() + " would be refused" + because(d, "")
	}
}

// subject names the claim, and says how often it was made if that is more than
// once.
func (o Outcome) subject() string {
	if p, ok := o.Claim.(policy.Port); ok && p.Last == 0 && o.Count > 1 {
		return fmt.Sprintf("%s (%d times)", p.Subject(), o.Count)
	}
	return o.Claim.Subject()
}

// boundTo says where a port is published, and why.
func (o Outcome) boundTo(p policy.Port) string {
	asked, host := p.PublishedOn(), cmp.Or(o.HostPort, p.Host)
	var places []string
	for _, to := range o.Decision.To {
		if to.IsUnspecified() {
			places = []string{policy.EveryInterface}
			break
		}
		place := policy.Port{IP: to.String(), Host: host}.PublishedOn()
		if len(places) > 0 {
			place = strings.TrimPrefix(place, "a free port of ") // all have the same
		}
		places = append(places, place)
	}
	given, instead, advice := strings.Join(places, " and "), " instead of "+asked, o.widen(p)
	if given == asked {
		instead = ""
	}
	if given == policy.EveryInterface {
		advice = ""
	}
	if o.HostPort != "" { // the Engine cannot choose another one at a later start
		advice = strings.TrimPrefix(advice+"; if port "+o.HostPort+" is in use when the container starts again, create it anew", "; ")
	}
	return given + instead + because(o.Decision, advice)
}

// anyFrontend is the value of the privilege frontend where a Dockerfile may name a
// frontend in its #syntax line.
const anyFrontend = "Dockerfile"

// publishedOnHost is what Docker itself says. Podman does not.
const publishedOnHost = "Published ports are discarded when using host network mode"

// whyUnpublished says why a port is not published, and where a network that the
// container joins later would publish it.
func (o Outcome) whyUnpublished(mode string) string {
	p := o.Claim.(policy.Port)
	text := o.subject() + " is not published: the container "
	switch mode {
	case "host":
		return publishedOnHost
	case "container":
		return text + "uses the network of another container"
	}
	text += "has no network"
	switch d := o.Decision; {
	case d.Action == policy.Deny:
		return text + "; a network that it joins later may not publish it" + because(d, "")
	case o.Warning() == "":
		return text
	case d.Action == policy.Bind:
		return text + "; a network that it joins later would publish it on " + o.boundTo(p)
	default:
		return text + "; a network that it joins later would publish it on " + p.PublishedOn() + because(d, "")
	}
}

// pending reports whether the change was not made, as in observe mode.
func (o Outcome) pending() bool {
	switch claim := o.Claim.(type) {
	case policy.Port:
		for _, to := range o.Decision.To {
			if to.String() == claim.IP {
				return false
			}
		}
		return o.Before == o.After
	case policy.Mount:
		return o.Before == o.After && claim.Engine && claim.Socket
	case policy.Privilege:
		return o.Before == o.After && claim.Replaceable
	}
	return false
}

func (o Outcome) would(is string) string {
	if o.pending() {
		return "would be"
	}
	return is
}

// denial is the message of a claim that refuses its call. The call is named by
// method and path, as in "GET /info".
func denial(cl *claim, call string) string {
	claimed, advice, decision := cl.whole(), "", cl.decision
	subject := claimed.Subject()
	switch claim := claimed.(type) {
	case policy.Port:
		if cl.advisedIP != "" {
			advice = "name an address, as in -p " + cl.advisedIP + ":" + portFlag(claim)
		}
	case policy.API:
		subject = call
	}
	if cl.advice != "" {
		advice = cl.advice
		if decision.Action == policy.Deny { // recreating it would not help
			advice, _, _ = strings.Cut(advice, ";")
		}
		if decision.Message != "" {
			advice, decision.Message = advice+"; "+decision.Message, ""
		}
	}
	if advice == "" && decision.Reason == "" && decision.Rule != (policy.Rule{}) {
		advice = "to allow it, put a rule before that one"
	}
	return "safesock: " + subject + " may not " + claimed.Infinitive() + because(decision, advice)
}

// because names the rule, and adds the message of the rule, or else the advice.
func because(d policy.Decision, advice string) string {
	text := ""
	if d.Rule != (policy.Rule{}) || d.Reason == "" {
		text = " (" + d.Rule.String() + ")"
	}
	if d.Reason != "" {
		text += ": " + d.Reason
	}
	switch {
	case d.Message != "":
		return text + "; " + d.Message
	case advice != "":
		return text + "; " + advice
	}
	return text
}

// portFlag is the part of docker's -p after the address.
func portFlag(p policy.Port) string {
	flag := p.Host + ":" + p.Numbers()
	if p.Protocol != "tcp" {
		flag += "/" + p.Protocol
	}
	return flag
}

// widen says how to publish a port on more addresses than it was bound to.
func (o Outcome) widen(p policy.Port) string {
	if !o.Wider || p.Container == 0 {
		return "to publish it wider, add a rule"
	}
	return "to publish it wider, name an address (0.0.0.0:" + portFlag(p) + ") or add a rule"
}
