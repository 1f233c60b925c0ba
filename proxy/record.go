package proxy

import (
	"encoding/json"
	"time"

	"github.com/safesock/safesock/policy"
)

// CallRecord is the first line about a call, written before it is forwarded.
type CallRecord struct {
	Time      time.Time        `json:"time"`
	Record    string           `json:"record"` // "call"
	ID        string           `json:"id"`     // the same in the call's AnswerRecord
	Endpoint  string           `json:"endpoint,omitempty"`
	Method    string           `json:"method"` // "" if the head could not be read
	Path      string           `json:"path"`   // decoded, without version and query; "" if it could not be read
	Version   string           `json:"version,omitempty"`
	Client    ClientRecord     `json:"client"`
	Container *ContainerRecord `json:"container,omitempty"`
	Compose   *ComposeRecord   `json:"compose,omitempty"`
	Build     *policy.Build    `json:"build,omitempty"`
	Claims    []ClaimRecord    `json:"claims"`
	Observe   bool             `json:"observe,omitempty"` // the policy only reports: nothing was changed or refused
	Refused   string           `json:"refused,omitempty"` // what the client was told, if the call was not forwarded
}

// ClientRecord is who made a call. Its names are those that a rule has looked
// up, or else what this host's files and /proc say.
type ClientRecord struct {
	UID     int    `json:"uid"`
	User    string `json:"user,omitempty"`
	GID     int    `json:"gid"`
	PID     int    `json:"pid"`
	Command string `json:"command,omitempty"`
	Error   string `json:"error,omitempty"` // why a name is missing that could have been read
}

// ContainerRecord is what a call says of the container it is about.
type ContainerRecord struct {
	Name  string `json:"name,omitempty"`
	Image string `json:"image,omitempty"`
}

// ComposeRecord is what Compose's labels say.
type ComposeRecord struct {
	Project string `json:"project,omitempty"`
	Service string `json:"service,omitempty"`
	Files   string `json:"files,omitempty"`
}

// ClaimRecord is one claim and what came of it.
type ClaimRecord struct {
	Kind    policy.Kind     `json:"kind"`
	Claim   policy.Claim    `json:"claim"`
	Count   int             `json:"count,omitempty"` // how many ports the record stands for, if there are several; Pointer, Before and After are the first's
	Pointer string          `json:"pointer"`         // JSON pointer in the body, "?name" for a query parameter, "" for the call itself
	Before  json.RawMessage `json:"before,omitempty"`
	After   json.RawMessage `json:"after,omitempty"` // as forwarded; left out if nothing changed
	Action  string          `json:"action"`
	Rule    string          `json:"rule"` // kind, name, file and line: port "no wildcard", policy.hcl:12
	Reason  string          `json:"reason,omitempty"`
}

// AnswerRecord is the second line about a call.
type AnswerRecord struct {
	Time   time.Time `json:"time"`
	Record string    `json:"record"` // "answer"
	ID     string    `json:"id"`
	Status int       `json:"status"`              // the Engine's, or safesock's: 502 if the Engine gave none, 500 if the CallRecord was written too late
	Made   string    `json:"container,omitempty"` // id of the container that was made

	GRPC    *int    `json:"grpc_status,omitempty"` // of a gRPC call that was read whole; 0 means that it succeeded
	Image   string  `json:"image,omitempty"`       // digest of the image that a build made
	Seconds float64 `json:"seconds,omitempty"`     // from a build's call to its answer
}
