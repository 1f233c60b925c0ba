package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/proxy"
)

// fate is what came of a claim or of a call.
type fate int

const (
	allowed fate = iota
	warned
	changed
	refused
	observed // the policy would have changed or refused it
)

func (f fate) String() string {
	return [...]string{"allowed", "warned", "changed", "refused", "observed"}[f]
}

// fateOf returns what came of a claim of a call that was not refused.
func fateOf(call *proxy.CallRecord, claim proxy.ClaimRecord) fate {
	switch {
	case call.Observe && (claim.Action == policy.Bind.String() || claim.Action == policy.Replace.String() || claim.Action == policy.Deny.String()):
		return observed
	case claim.After != nil:
		return changed
	case claim.Action == policy.Warn.String():
		return warned
	}
	return allowed
}

// fateOfCall is the gravest of a call.
func fateOfCall(call *proxy.CallRecord) fate {
	if call.Refused != "" {
		return refused
	}
	worst := allowed
	for _, claim := range call.Claims {
		worst = max(worst, fateOf(call, claim))
	}
	return worst
}

// userOf names the user who made a call.
func userOf(call *proxy.CallRecord) string {
	return cmp.Or(call.Client.User, strconv.Itoa(call.Client.UID))
}

// about names what a call is about: the service of a Compose project, a container
// or its image. It is "" if the call does not say.
func about(call *proxy.CallRecord) string {
	if c := call.Compose; c != nil && c.Service != "" {
		return strings.TrimPrefix(c.Project+"/"+c.Service, "/")
	}
	if c := call.Container; c != nil {
		return cmp.Or(c.Name, c.Image)
	}
	return ""
}

// requestOf is a call's request.
func requestOf(call *proxy.CallRecord) string {
	path := containerIDs.ReplaceAllString(call.Path, "$1")
	return cmp.Or(strings.TrimSpace(call.Method+" "+path), "a request that could not be read")
}

// sentInstead returns what was sent in place of what a claim asked for.
func sentInstead(claim proxy.ClaimRecord) string {
	if port, ok := claim.Claim.(policy.Port); ok {
		if to := boundTo(port, claim.After); len(to) > 0 {
			return strings.Join(to, ", ")
		}
	}
	if mount, ok := claim.Claim.(policy.Mount); ok && mount.Socket {
		return "safesock's own socket"
	}
	return textOf(claim.After)
}

// boundTo returns where a port is published according to the JSON that was sent for
// it: an object for each address, with Docker's names or with Podman's.
func boundTo(port policy.Port, after json.RawMessage) []string {
	var bindings []struct {
		HostIp    string
		PodmanIp  string `json:"host_ip"`
		HostPort  any
		PodmanOne any `json:"host_port"`
	}
	if json.Unmarshal([]byte("["+unquoted(after)+"]"), &bindings) != nil {
		return nil
	}
	var to []string
	for _, each := range bindings {
		ip := cmp.Or(each.HostIp, each.PodmanIp)
		if ip == "" {
			return nil
		}
		host := port.Host
		for _, chosen := range []any{each.HostPort, each.PodmanOne} {
			if host == "" && chosen != nil {
				host = fmt.Sprint(chosen)
			}
		}
		to = append(to, policy.Port{IP: ip, Host: host}.Asked())
	}
	return to
}

// unquoted returns JSON that was written as a JSON string because it is several
// values, and other JSON as it is.
func unquoted(src json.RawMessage) string {
	var text string
	if json.Unmarshal(src, &text) == nil {
		return text
	}
	return string(src)
}

// maxText is how much of a JSON text is shown, in characters.
const maxText = 100

func textOf(src json.RawMessage) string {
	text := []rune(containerIDs.ReplaceAllString(unquoted(src), "$1"))
	if len(text) > maxText {
		return string(text[:maxText]) + "…"
	}
	return string(text)
}

// claimLine says what came of a claim.
func claimLine(call *proxy.CallRecord, claim proxy.ClaimRecord) string {
	what := inALine(claim.Claim)
	if claim.Claim.Kind() == policy.KindAPI && claim.Before != nil {
		what = strings.Trim(claim.Pointer, "/?") + " " + textOf(claim.Before)
	}
	if _, isPort := claim.Claim.(policy.Port); !isPort && claim.Count > 1 {
		what += fmt.Sprintf(" (%d times)", claim.Count)
	}
	switch fateOf(call, claim) {
	case changed:
		return what + " → " + sentInstead(claim) + because(claim.Rule)
	case observed:
		return "would " + claim.Action + ": " + what + because(claim.Rule)
	case warned:
		return "warned: " + what + because(claim.Rule)
	}
	return "allowed: " + what + because(claim.Rule)
}

// because names the rule that decided, if a rule did.
func because(rule string) string {
	if rule == (policy.Rule{}).String() {
		return ""
	}
	return " (" + rule + ")"
}

// printable returns a text with the characters that a terminal acts on as escapes.
// Names and messages in a log are as clients made them.
func printable(text string) string {
	if !strings.ContainsFunc(text, isUnprintable) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if isUnprintable(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isUnprintable(r rune) bool { return !unicode.IsPrint(r) }
