package auditlog

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/proxy"
)

// at is a call in a minute of a day, as a line.
func at(minute int) string {
	return fmt.Sprintf(`{"time":"2020-11-27T14:%02d:00Z","record":"call","id":"%d","method":"POST","path":"/x","client":{"uid":0,"gid":0,"pid":1},"claims":[]}`+"\n", minute, minute)
}

// minutes reads a log to its end, and returns when its calls came.
func minutes(t *testing.T, l *Log) []int {
	t.Helper()
	var got []int
	for {
		record, err := l.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, record.Time().Minute())
	}
}

func write(t *testing.T, path string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
}

func add(t *testing.T, path string, lines ...string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(strings.Join(lines, "")); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func compress(t *testing.T, path string, lines ...string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := gzip.NewWriter(f)
	if _, err := io.WriteString(w, strings.Join(lines, "")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func opened(t *testing.T, options Options, paths ...string) *Log {
	t.Helper()
	l, err := Open(paths, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestRotatedFilesAreReadInOrderOfTime(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.log")
	write(t, path, at(50), at(51))
	write(t, path+".1", at(40), at(41))
	compress(t, path+".2.gz", at(30), at(31))
	compress(t, path+".10.gz", at(1))
	compress(t, path+"-20261127.gz", at(20))
	write(t, path+".bak", at(2))
	write(t, filepath.Join(dir, "other.log"), at(45), at(55))
	files, err := Rotated(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		names = append(names, filepath.Base(file))
	}
	same(t, "files", names, []string{"audit.log-20261127.gz", "audit.log.1", "audit.log.10.gz", "audit.log.2.gz", "audit.log"})
	same(t, "minutes", minutes(t, opened(t, Options{}, files...)), []int{1, 20, 30, 31, 40, 41, 50, 51})

	// Another log is another source; a file by two names is one.
	all := append(files, filepath.Join(dir, "other.log"), path, filepath.Join(dir, ".", "audit.log.1"))
	same(t, "minutes", minutes(t, opened(t, Options{}, all...)), []int{1, 20, 30, 31, 40, 41, 45, 50, 51, 55})

	since := time.Date(2020, 11, 27, 14, 31, 0, 0, time.UTC)
	same(t, "minutes", minutes(t, opened(t, Options{Since: since}, files...)), []int{31, 40, 41, 50, 51})
	if err := os.Chtimes(path+".1", since, since.Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	same(t, "minutes, without a file that was last written before", minutes(t, opened(t, Options{Since: since}, files...)), []int{31, 50, 51})
}

func TestLinesThatAreNoRecordsAreToldAndSkipped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	long := `{"time":"` + strings.Repeat("9", maxLine) + "\n"
	write(t, path, at(1), `{"time":"2026-11`+"\n", at(2), long, at(3), "\n",
		`{"time":"2020-11-27T14:04:00Z","record":"prophecy","id":"4"}`+"\n",
		strings.Replace(at(5), `"claims":[]`, `"claims":[{"kind":"gravity","claim":{}}]`, 1),
		strings.Replace(at(6), `"claims":[]`, `"claims":[],"later":{"a":1}`, 1),
		"plain text\n", at(7), strings.TrimSuffix(at(8), "\n"))
	var skipped []int
	l := opened(t, Options{Skipped: func(_ string, line int, _ error) { skipped = append(skipped, line) }}, path)
	same(t, "minutes", minutes(t, l), []int{1, 2, 3, 6, 7, 8})
	same(t, "skipped lines", skipped, []int{2, 4, 6, 7, 8, 10})
}

func TestALogIsFollowedOverItsRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	write(t, path, at(1))
	l := opened(t, Options{Follow: []string{path}}, path)
	step := func(what string, want ...int) {
		t.Helper()
		same(t, what, minutes(t, l), want)
	}
	step("what is there", 1)
	step("nothing new")
	add(t, path, at(2), at(3))
	step("added", 2, 3)

	half := at(4)
	add(t, path, half[:40])
	step("half a line")
	add(t, path, half[40:])
	step("the whole line", 4)

	rename(t, path, path+".1")
	step("moved, no new file yet")
	add(t, path+".1", at(5))
	step("a record on its way to the old file", 5)
	write(t, path, at(6))
	step("it is looked at once more")
	step("the new file", 6)
	add(t, path, at(7))
	step("added to the new file", 7)

	// The same again, with a record that comes late.
	rename(t, path, path+".1")
	write(t, path, at(9))
	step("rotated")
	add(t, path+".1", at(8))
	step("the late record", 8, 9)

	write(t, path) // copytruncate
	step("emptied")
	add(t, path, at(10))
	step("written anew", 10)

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	step("removed")
	write(t, path, at(11))
	step("made anew is seen")
	step("made anew", 11)
}

func TestALogThatWasRotatedAwayIsReadAndFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	write(t, path+".1", at(1))
	files, err := Rotated(path)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "what is left", minutes(t, opened(t, Options{}, files...)), []int{1})
	l := opened(t, Options{Follow: []string{path}}, files...)
	same(t, "what is left", minutes(t, l), []int{1})
	write(t, path, at(2))
	same(t, "the next record", minutes(t, l), []int{2})

	early := opened(t, Options{Follow: []string{path + ".new"}}, path+".new")
	same(t, "a log that is not there yet", minutes(t, early), nil)
	write(t, path+".new", at(3))
	same(t, "its first record", minutes(t, early), []int{3})
}

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	call := proxy.CallRecord{
		Time: time.Date(2026, 11, 27, 14, 3, 1, 5, time.UTC), Record: "call", ID: "A", Endpoint: "container.create", Method: "POST", Path: "/containers/create", Version: "1.51",
		Client:    proxy.ClientRecord{UID: 1000, User: "ann", GID: 1000, PID: 7, Command: "docker"},
		Container: &proxy.ContainerRecord{Name: "web", Image: "web:1"},
		Compose:   &proxy.ComposeRecord{Project: "shop", Service: "web", Files: "compose.yaml"},
		Claims: []proxy.ClaimRecord{
			{Kind: policy.KindPort, Claim: policy.Port{Container: 80, Last: 82, Protocol: "tcp", Host: "8080-8082", Bindable: true}, Count: 3, Pointer: "/a",
				Before: json.RawMessage(`{"HostIp":""}`), After: json.RawMessage(`{"HostIp":"127.0.0.1"}`), Action: "bind", Rule: `port "x", built-in:1`},
			{Kind: policy.KindNetwork, Claim: policy.Network{Mode: "macvlan", Name: "lan", Driver: "macvlan", Options: map[string]string{"parent": "eth0"}}, Action: "warn"},
			{Kind: policy.KindMount, Claim: policy.Mount{Source: "/run", Target: "/run", ReadOnly: true, Engine: true, Socket: true, Unseen: "permission denied"}, Action: "warn"},
			{Kind: policy.KindPrivilege, Claim: policy.Privilege{Name: "cap", Value: "NET_ADMIN", Replaceable: true}, Action: "warn"},
			{Kind: policy.KindAPI, Claim: policy.API{}, Action: "deny", Rule: `api "none", p.hcl:1`, Reason: "because"},
		},
		Observe: true, Refused: "no",
	}
	answer := proxy.AnswerRecord{Time: call.Time, Record: "answer", ID: "A", Status: 201, Made: "0123"}
	for _, want := range []Record{{Call: &call}, {Answer: &answer}} {
		var err error
		if want.Call != nil {
			want.Line, err = json.Marshal(want.Call)
		} else {
			want.Line, err = json.Marshal(want.Answer)
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(want.Line)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "record", got, want)
	}
}

func TestALargeLogIsNotHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	line := strings.Replace(at(1), `"path":"/x"`, `"path":"/`+strings.Repeat("x", 100_000)+`"`, 1)
	write(t, path, slices.Repeat([]string{line}, 300)...) // 30 MB
	l := opened(t, Options{}, path)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if _, err := l.Next(); err != nil {
		t.Fatal(err)
	}
	same(t, "records", len(minutes(t, l)), 299)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 4<<20 {
		t.Errorf("%d bytes are held of %d", held, 300*len(line))
	}
}
