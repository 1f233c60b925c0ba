// Package auditlog reads the audit logs that package proxy writes. It returns the
// records of several files in order of time, with the files that a log was rotated
// to, compressed or not, and follows a log over its rotation. It holds a line of
// each file, and never a whole file.
//
//	files, err := auditlog.Rotated("/var/log/safesock/audit.log")
//	log, err := auditlog.Open(files, auditlog.Options{})
//	for {
//		record, err := log.Next()
//		…
//	}
//
// The format is described in docs/audit.md. A line that this version cannot read is
// reported to Options.Skipped, and the records behind it are read.
package auditlog

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/proxy"
)

// Record is one line of a log. Either Call or Answer is set.
type Record struct {
	Call   *proxy.CallRecord
	Answer *proxy.AnswerRecord
	Line   []byte // as it stands in the file, without its end
}

// Time returns when the call came, or when its answer did.
func (r Record) Time() time.Time {
	if r.Call != nil {
		return r.Call.Time
	}
	return r.Answer.Time
}

// Parse reads a line. A record or a kind of claim that this version does not know
// is an error.
func Parse(line []byte) (Record, error) {
	// The fields of these structs stand in for those of the same name in the
	// embedded records, which JSON alone cannot tell apart: the container of a
	// call is an object, and that of an answer an id.
	var read struct {
		proxy.CallRecord
		Status    int             `json:"status"`
		Container json.RawMessage `json:"container"`
		Claims    []struct {
			proxy.ClaimRecord
			Claim json.RawMessage `json:"claim"`
		} `json:"claims"`
	}
	if err := json.Unmarshal(line, &read); err != nil {
		return Record{}, err
	}
	switch read.Record {
	case "answer":
		answer := &proxy.AnswerRecord{Time: read.Time, Record: read.Record, ID: read.ID, Status: read.Status}
		return Record{Answer: answer, Line: line}, unmarshal(read.Container, &answer.Made)
	case "call":
	default:
		return Record{}, fmt.Errorf("a record %q is unknown", read.Record)
	}
	call := &read.CallRecord
	if err := unmarshal(read.Container, &call.Container); err != nil {
		return Record{}, err
	}
	for _, each := range read.Claims {
		var err error
		if each.ClaimRecord.Claim, err = parseClaim(each.Kind, each.Claim); err != nil {
			return Record{}, err
		}
		call.Claims = append(call.Claims, each.ClaimRecord)
	}
	return Record{Call: call, Line: line}, nil
}

// parseClaim reads a claim's attributes.
func parseClaim(kind policy.Kind, src []byte) (policy.Claim, error) {
	switch kind {
	case policy.KindPort:
		return claimOf[policy.Port](src)
	case policy.KindNetwork:
		return claimOf[policy.Network](src)
	case policy.KindMount:
		return claimOf[policy.Mount](src)
	case policy.KindPrivilege:
		return claimOf[policy.Privilege](src)
	case policy.KindAPI:
		return policy.API{}, nil
	}
	return nil, fmt.Errorf("a claim of the kind %q is unknown", kind)
}

func claimOf[C policy.Claim](src []byte) (policy.Claim, error) {
	var claim C
	err := unmarshal(src, &claim)
	return claim, err
}

// unmarshal leaves to as it is if there is no JSON.
func unmarshal(src []byte, to any) error {
	if src == nil {
		return nil
	}
	return json.Unmarshal(src, to)
}
