package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// logWith opens a log, and returns what it says about its file.
func logWith(t *testing.T, path string) (*Audit, *bytes.Buffer) {
	t.Helper()
	a, err := OpenAudit(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	var said bytes.Buffer
	a.Log = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
		if attr.Key == slog.TimeKey || attr.Key == "audit" {
			return slog.Attr{}
		}
		return attr
	}}))
	return a, &said
}

// record writes a short record, and returns the error as text.
func record(a *Audit, id string) string {
	if err := a.recordAnswer(AnswerRecord{ID: id, Status: 200}); err != nil {
		return err.Error()
	}
	return ""
}

var recordTime = regexp.MustCompile(`"time":"[^"]*",`)

// linesOf reads a file, without the times in it.
func linesOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return recordTime.ReplaceAllString(string(text), "")
}

// answerLine is what record writes.
func answerLine(id string) string { return `{"record":"answer","id":"` + id + `","status":200}` + "\n" }

func TestARecordIsNotGluedToATornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	tear := func(text string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := io.WriteString(f, text); err != nil {
			t.Fatal(err)
		}
	}
	tear(`{"before the start`)
	a, _ := logWith(t, path)
	record(a, "1")
	tear(`{"by another safesock that was killed`)
	record(a, "2")
	record(a, "3")
	tear(`{"before it is opened anew`)
	if err := a.Reopen(); err != nil {
		t.Fatal(err)
	}
	record(a, "4")
	want := "{\"before the start\n" + answerLine("1") + "{\"by another safesock that was killed\n" + answerLine("2") + answerLine("3") +
		"{\"before it is opened anew\n" + answerLine("4")
	if got := linesOf(t, path); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestALogThatWasMovedOrRemovedIsOpenedAnew(t *testing.T) {
	const anew = `level=WARN msg="the audit log was moved or removed; it was opened anew"` + "\n"
	for name, c := range map[string]struct {
		away  func(path string) error
		first string // what the path holds then
	}{
		"moved":   {func(path string) error { return os.Rename(path, path+".1") }, ""},
		"removed": {os.Remove, ""},
		"replaced": {func(path string) error {
			return errors.Join(os.WriteFile(path+".new", []byte("new\n"), 0o600), os.Rename(path+".new", path))
		}, "new\n"},
		"its folder was moved": {func(path string) error {
			dir := filepath.Dir(path)
			return errors.Join(os.Rename(dir, dir+".1"), os.Mkdir(dir, 0o700))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log", "audit.log")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			a, said := logWith(t, path)
			record(a, "1")
			if err := c.away(path); err != nil {
				t.Fatal(err)
			}
			record(a, "2")
			record(a, "3")
			if got, want := linesOf(t, path), c.first+answerLine("2")+answerLine("3"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if got := said.String(); got != anew {
				t.Errorf("got %q want %q", got, anew)
			}
		})
	}
}

func TestALogWithoutAFolderFailsUntilTheFolderIsBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	path := filepath.Join(dir, "audit.log")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	a, said := logWith(t, path)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, want := record(a, "lost"), "open "+path+": no such file or directory"; got != want {
			t.Errorf("got %q want %q", got, want)
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	record(a, "1")
	if got, want := linesOf(t, path), answerLine("1"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	want := `level=WARN msg="the audit log was moved or removed; it was opened anew"` + "\n" +
		`level=INFO msg="the audit log can be written again"` + "\n"
	if got := said.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// readPipe opens a pipe for reading, which waits for nobody.
func readPipe(t *testing.T, path string) *os.File {
	t.Helper()
	r, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func newPipe(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAPipeIsALogWhileSomethingReadsIt(t *testing.T) {
	path := newPipe(t)
	opened := make(chan error, 1)
	go func() {
		_, err := OpenAudit(path)
		opened <- err
	}()
	select {
	case err := <-opened:
		if want := "open " + path + ": no program reads this pipe; start its reader first"; err == nil || err.Error() != want {
			t.Fatalf("got %v want %s", err, want)
		}
	case <-time.After(patience):
		t.Fatal("without a reader, the log waits for one")
	}

	r := readPipe(t, path)
	a, _ := logWith(t, path)
	var got []string
	got = append(got, record(a, "1"), next(t, bufio.NewReader(r)))
	r.Close()
	got = append(got, record(a, "lost"))
	r = readPipe(t, path)
	got = append(got, record(a, "2"), next(t, bufio.NewReader(r)))
	want := []string{"", answerLine("1"), "write " + path + ": no program reads this pipe any more", "", answerLine("2")}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q want %q", got, want)
	}
}

func next(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		t.Error(err)
	}
	return recordTime.ReplaceAllString(line, "")
}

func TestACallIsRefusedWhoseRecordIsNotTaken(t *testing.T) {
	path := newPipe(t)
	r := readPipe(t, path)
	audit, said := logWith(t, path)
	audit.writing.Limit = 2 * time.Second // for the first call; those behind it fail at once
	fill(t, path)
	w := newWorld(t, func(e *peerEnd) {
		e.expect(create(boundBody))
		e.send(answer("201 Created", created))
	}, func(s *Server) { s.Audit = audit })
	refusal := "500 safesock: the audit log cannot be written, so the call was not forwarded: write " + path +
		": it has taken nothing for 2s"
	c := w.dial()
	for range 3 {
		c.send(create(openBody))
		c.expectAnswer(refusal)
	}

	// Its reader goes on: the record that waited for it is one of a refused call.
	if _, err := io.CopyN(io.Discard, r, pipeSize); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(r)
	var late CallRecord
	decode(t, strings.Replace(next(t, lines), `"claims"`, `"unread"`, 1), &late)
	if got, want := next(t, lines), `{"record":"answer","id":"`+late.ID+`","status":500}`+"\n"; got != want {
		t.Errorf("got %s want %s", got, want)
	}
	for audit.writing.overdue.Load() {
		time.Sleep(time.Millisecond)
	}
	c.send(create(openBody))
	c.expect("HTTP/1.1 201 Created\r\n")
	var call CallRecord
	decode(t, strings.Replace(next(t, lines), `"claims"`, `"unread"`, 1), &call)
	if got, want := next(t, lines), `{"record":"answer","id":"`+call.ID+`","status":201,"container":"0123abcd"}`+"\n"; got != want {
		t.Errorf("got %s want %s", got, want)
	}
	c.Close()
	w.stop()
	if err := w.awaitStop(); err != nil {
		t.Error(err)
	}
	if got, want := said.String(), `level=INFO msg="the audit log can be written again"`+"\n"; got != want {
		t.Errorf("got %q want %q", got, want)
	}
}

func TestALogThatAnotherProgramLocksIsNotWaitedForEndlessly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	a, said := logWith(t, path)
	a.writing.Limit = 100 * time.Millisecond
	locked, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(locked.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got, want := record(a, "lost"), "write "+path+": it has taken nothing for 100ms"; got != want {
			t.Errorf("got %q want %q", got, want)
		}
	}
	locked.Close()
	for start := time.Now(); record(a, "1") != ""; time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatal("the log stays locked")
		}
	}
	if got, want := linesOf(t, path), answerLine("lost")+answerLine("1"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, want := said.String(), `level=INFO msg="the audit log can be written again"`+"\n"; got != want {
		t.Errorf("got %q want %q", got, want)
	}
}

func TestTwoLogsShareAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	var writers sync.WaitGroup
	const lines = 200
	for range 2 {
		a, _ := logWith(t, path)
		for range 4 {
			writers.Go(func() {
				for range lines {
					if got := record(a, "1"); got != "" {
						t.Error(got)
					}
				}
			})
		}
	}
	writers.Wait()
	if got, want := linesOf(t, path), strings.Repeat(answerLine("1"), 8*lines); got != want {
		t.Errorf("got %d lines, want %d that are whole", strings.Count(got, "\n"), 8*lines)
	}
}

// pipeSize is how much a pipe takes that nobody reads.
const pipeSize = 1 << 16

func fill(t *testing.T, path string) {
	t.Helper()
	w, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write(make([]byte, pipeSize)); err != nil {
		t.Fatal(err)
	}
}
