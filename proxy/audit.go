package proxy

import (
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/safesock/safesock/host"
	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite"
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

// clientRecord describes a peer for the log. A name that is missing there refuses
// nothing, so no directory is asked for it.
func clientRecord(p *host.Peer) ClientRecord {
	r := ClientRecord{UID: p.UID, GID: p.GID, PID: p.PID}
	var userErr, commandErr error
	r.User, userErr = p.ListedUser()
	r.Command, commandErr = p.Command()
	for _, err := range []error{userErr, commandErr} {
		if err != nil && !isLasting(err) {
			r.Error = err.Error()
		}
	}
	return r
}

// recordCall writes the record of a call and its outcomes, and returns the
// record's id.
func (a *Audit) recordCall(call rewrite.Call, from *host.Peer, result rewrite.Result, refusal error, observe bool) (id string, err error) {
	if a == nil {
		return "", nil
	}
	record := CallRecord{
		Time:    call.Time.UTC(),
		Record:  "call",
		ID:      rand.Text()[:16],
		Method:  call.Method,
		Path:    call.Path,
		Version: call.Version,
		Client:  clientRecord(from),
		Claims:  make([]ClaimRecord, 0, len(result.Outcomes)),
		Observe: observe,
	}
	if call.Endpoint != nil {
		record.Endpoint = call.Endpoint.Name
	}
	if c := result.Container; c.Name != "" || c.Image != "" {
		record.Container = &ContainerRecord{Name: c.Name, Image: c.Image}
	}
	if c := result.Compose; c != (policy.Compose{}) {
		record.Compose = &ComposeRecord{Project: c.Project, Service: c.Service, Files: c.Files}
	}
	if b := result.Build; !reflect.DeepEqual(b, policy.Build{}) {
		record.Build = &b
	}
	room := maxTexts
	for _, o := range result.Outcomes {
		if size := len(o.Before) + len(o.After); size <= room {
			room -= size
		} else { // a short one behind it may still have its place
			o.Before, o.After = tooMuch, tooMuch
		}
		record.Claims = append(record.Claims, claimRecord(o))
	}
	if refusal != nil {
		_, record.Refused = statusOf(refusal)
	}
	err = a.write(record, func(err error) {
		if err == nil { // the client has been told that its call was not forwarded
			a.appendLate(AnswerRecord{Time: time.Now().UTC(), Record: "answer", ID: record.ID, Status: http.StatusInternalServerError})
		}
	})
	if err == nil && a.Seen != nil {
		a.Seen(&record)
	}
	return record.ID, err
}

// recordRefusal writes the record of a request that is refused before a rule
// has looked at it. The match has what is known of the request.
func (s *Server) recordRefusal(match rewrite.Match, from *host.Peer, why error) {
	if isClosed(why) {
		return // nobody asks any more
	}
	_, err := s.Audit.recordCall(rewrite.Call{Match: match, Time: time.Now()}, from, rewrite.Result{}, why, false)
	if err != nil {
		s.log().Error("audit log", slog.Any("error", err))
	}
}

// maxTexts bounds what one record says of before and after, in bytes. A call
// can make many claims by one long text.
const maxTexts = 1 << 20

// tooMuch stands for texts beyond that.
const tooMuch = "left out: the record would be too long"

func claimRecord(o rewrite.Outcome) ClaimRecord {
	r := ClaimRecord{
		Kind:    o.Claim.Kind(),
		Claim:   o.Claim,
		Pointer: o.Pointer,
		Before:  rawJSON(o.Before),
		Action:  o.Decision.Action.String(),
		Rule:    o.Decision.Rule.String(),
		Reason:  o.Decision.Reason,
	}
	if o.Count > 1 {
		r.Count = o.Count
	}
	if o.After != o.Before {
		r.After = rawJSON(o.After)
	}
	return r
}

// rawJSON gives JSON as it was written if every reader of the log can read it,
// and anything else as a JSON string.
func rawJSON(text string) json.RawMessage {
	if text == "" || isPlainJSON(text) {
		return json.RawMessage(text)
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string can always be encoded
	}
	return quoted
}

// recordAnswer writes what the Engine answered to a call.
func (a *Audit) recordAnswer(r AnswerRecord) error {
	if a == nil {
		return nil
	}
	r.Time, r.Record = time.Now().UTC(), "answer"
	return a.write(r, func(error) {})
}
