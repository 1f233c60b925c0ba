package proxy

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"github.com/safesock/safesock/host"
	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite"
)

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
	if b := result.Build; call.Endpoint != nil && call.Endpoint.Traits&rewrite.GRPC != 0 && !reflect.DeepEqual(b, policy.Build{}) {
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
