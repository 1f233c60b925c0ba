package rewrite

import (
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/safesock/safesock/policy"
)

// Call is one request to the Engine, and what is known about it.
type Call struct {
	Match            // where it leads, from Route
	URL    *url.URL  // its target, parsed
	Header http.Header
	Body   []byte // whole; nil for endpoints that stream theirs

	Client policy.Client
	Time   time.Time
	// Interface gives the addresses of a network interface of the host.
	Interface func(name string) ([]netip.Addr, error)

	Upstream string // path of the guarded Engine's socket, symbolic links resolved
	Listen   string // path of safesock's own socket, which replaces it in mounts

	// Answers to the questions that an earlier Apply asked.
	Answers map[Question]Answer
}

// A Question is something that Apply has to know and cannot find out.
type Question struct {
	About Subject
	Name  string
}

// Subject is what a question is about, and so how its Name is to be read.
type Subject string

const (
	AboutEngine    Subject = "engine"    // GET Name at the Engine, as in "/images/web:1/json", without a version
	AboutPath      Subject = "path"      // the host's path Name, which is absolute
	AboutInterface Subject = "interface" // whether the host has a network interface Name
	AboutPort      Subject = "port"      // a port that is free on every one of the host's addresses, as in "tcp 127.0.0.1 ::1"
)

// Answer is what the caller found out. The zero Answer is that there is no
// such thing.
type Answer struct {
	Status int    // of the Engine's answer
	Body   []byte // of the Engine's answer
	Path   string // the path with every symbolic link resolved, as far as it exists
	Exists bool   // of a path or an interface
	Port   int    // the free port
	Err    string // why the question could not be answered; the call is refused
}

// Result is what became of a call.
type Result struct {
	// Ask holds what Apply must be told first. If there is any, nothing else is set.
	Ask []Question

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
}

// Refusal is the error of a call that must not be forwarded.
type Refusal struct {
	Status  int    // HTTP status: 400 not understood, 403 denied by a rule, 413, 500, 502
	Message string // for the client, what to do next included
}

func (r *Refusal) Error() string { return r.Message }

// call is a Call while it is being read.
type call struct{ Call }

// Apply reads a call, lets the policy decide its claims, and edits what the
// decisions change. The error is a *Refusal, and the Result's Outcomes tell
// then too what was found. A policy in observe mode edits and refuses nothing.
func Apply(p *policy.Policy, c Call) (Result, error) {
	return Result{Target: c.URL.RequestURI(), Body: c.Body}, nil
}

// Warning is what a person should be told of an outcome, "" if nothing.
func (o Outcome) Warning() string { return "" }

// Warn adds warnings to the JSON answer of an endpoint that has a place for
// them. An answer that it cannot read is returned as it came.
func Warn(e *Endpoint, answer []byte, warnings []string) []byte { return answer }
