package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Audit is the log of intercepted calls: one JSON object a line, a CallRecord
// before a call is forwarded and an AnswerRecord once the Engine has answered.
// A nil *Audit keeps no log.
type Audit struct {
	Log  *slog.Logger      // is told what happens to the file; nil for slog.Default
	Seen func(*CallRecord) // is told of each CallRecord that was written; nil for nobody

	path   string
	failed atomic.Bool // the last record was not written

	writing Bounded // runs what uses the fields below
	file    *os.File
	opened  fs.FileInfo // of file
	torn    bool        // the last line was not written whole
}

// auditTime is how long a call waits for its record to be written. A disk that
// is busy needs seconds; a pipe that nobody reads needs for ever.
const auditTime = 10 * time.Second

// OpenAudit opens path for appending, 0600, or standard output for "-".
func OpenAudit(path string) (*Audit, error) {
	a := &Audit{path: path, writing: Bounded{Limit: auditTime}}
	return a, a.Reopen()
}

// Reopen opens the path again. If that fails the old file stays in use.
func (a *Audit) Reopen() error {
	if a == nil {
		return nil
	}
	return a.writing.Do(a.open, func(error) {})
}

// Close closes the log.
func (a *Audit) Close() error {
	if a == nil || a.path == "-" {
		return nil
	}
	return a.writing.Do(func() error { return a.file.Close() }, func(error) {})
}

// open is Reopen, to be run by a.writing.
func (a *Audit) open() error {
	file := os.Stdout
	if a.path != "-" {
		var err error
		if file, err = openToAppend(a.path); err != nil {
			return err
		}
	}
	opened, err := file.Stat()
	if err != nil {
		return err
	}
	if a.file != nil && a.file != os.Stdout {
		a.file.Close()
	}
	a.file, a.opened, a.torn = file, opened, false
	return nil
}

// openToAppend opens a file for writing, and for reading how it ends if that is
// allowed. A pipe has to have a reader already: opening it would wait for one.
func openToAppend(path string) (*os.File, error) {
	const flags = os.O_APPEND | os.O_CREATE | unix.O_NONBLOCK
	if info, err := os.Stat(path); err == nil && info.Mode().Type() == fs.ModeNamedPipe {
		file, err := os.OpenFile(path, os.O_WRONLY|flags, 0o600)
		if errors.Is(err, unix.ENXIO) {
			err = &fs.PathError{Op: "open", Path: path, Err: errors.New("no program reads this pipe; start its reader first")}
		}
		return file, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|flags, 0o600)
	if errors.Is(err, fs.ErrPermission) {
		file, err = os.OpenFile(path, os.O_WRONLY|flags, 0o600)
	}
	return file, err
}

// write appends one line. If it gave the line up, late is called once the line
// has been written after all, or has failed; late may append another.
func (a *Audit) write(record any, late func(error)) error {
	line, err := encodeLine(record)
	if err != nil {
		return err
	}
	err = errWaits
	if a.writing.running.TryLock() { // a goroutine for the line would cost more than the line
		err = a.append(line, unix.LOCK_NB)
		a.writing.running.Unlock()
	}
	if err == errWaits {
		err = a.writing.Do(func() error { return a.append(line, 0) }, late)
	}
	switch {
	case errors.Is(err, errOverdue):
		err = fmt.Errorf("write %s: it has taken nothing for %s", a.name(), a.writing.Limit)
		a.failed.Store(true)
	case err != nil:
		a.failed.Store(true)
	case a.failed.CompareAndSwap(true, false):
		a.log().Info("the audit log can be written again", slog.String("audit", a.path))
	}
	return err
}

// appendLate appends a line that nobody waits for. It is to be run by a.writing.
func (a *Audit) appendLate(record any) {
	line, err := encodeLine(record)
	if err == nil {
		err = a.append(line, 0)
	}
	if err != nil {
		a.log().Error("audit log", slog.Any("error", err))
	}
}

// usualRecord is room for most records, in bytes.
const usualRecord = 1 << 10

// encodeLine encodes a record as one line. Characters that some readers or
// terminals act on are escaped, which JSON allows: Python's splitlines and
// Node's readline end a line at U+0085 and U+2028.
func encodeLine(record any) ([]byte, error) {
	line := bytes.NewBuffer(make([]byte, 0, usualRecord))
	encoder := json.NewEncoder(line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(record); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(line.Bytes(), func(b byte) bool { return b >= 0x7f }) {
		return line.Bytes(), nil // encoding/json has escaped those of ASCII but DEL
	}
	var escaped []byte
	for _, r := range line.String() {
		if r != '\n' && actedOn(r) { // a line feed is only at the end
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		} else {
			escaped = utf8.AppendRune(escaped, r)
		}
	}
	return escaped, nil
}

func actedOn(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
}

// errWaits is the error of a line that could have to wait for another program.
var errWaits = errors.New("another program uses the log")

// append appends one line by one write. It is to be run by a.writing. What was
// written of a line that does not fit is taken back. With unix.LOCK_NB as wait
// it appends nothing, and returns errWaits, if it could have to wait for another
// safesock or for a reader.
func (a *Audit) append(line []byte, wait int) error {
	if err := a.follow(); err != nil {
		return err
	}
	if !a.opened.Mode().IsRegular() {
		if wait == unix.LOCK_NB {
			return errWaits
		}
		_, err := a.writeWhole(line)
		return err
	}
	fd := int(a.file.Fd())
	switch err := unix.Flock(fd, unix.LOCK_EX|wait); err { // keeps another safesock from a half line
	case nil:
		defer func() { _ = unix.Flock(fd, unix.LOCK_UN) }()
	case unix.EWOULDBLOCK:
		return errWaits
	case unix.EINTR:
		return a.append(line, wait)
	} // not every file system has locks
	before, err := a.file.Stat()
	if err != nil {
		return err
	}
	last := []byte{'\n'}
	if _, err := a.file.ReadAt(last, before.Size()-1); err == nil { // fails if the file is empty, or may not be read
		a.torn = last[0] != '\n'
	}
	torn := a.torn
	n, err := a.writeWhole(line)
	if err != nil && n > 0 && a.takeBack(before.Size(), n) {
		a.torn = torn
	}
	return err
}

// writeWhole writes a line behind the last one, and first ends that if it is torn.
func (a *Audit) writeWhole(line []byte) (n int, err error) {
	if a.torn {
		line = append([]byte("\n"), line...)
	}
	n, err = a.file.Write(line)
	a.torn = err != nil && (n > 0 || a.torn)
	if errors.Is(err, syscall.EPIPE) {
		err = fmt.Errorf("write %s: no program reads this pipe any more", a.name())
	}
	return n, err
}

// takeBack removes the n bytes behind size, unless somebody has written behind
// them, and reports whether it did.
func (a *Audit) takeBack(size int64, n int) bool {
	now, err := a.file.Stat()
	if err != nil || now.Size() != size+int64(n) || a.file.Truncate(size) != nil {
		return false
	}
	_, err = a.file.Seek(size, io.SeekStart) // standard output need not be open for appending
	return err == nil
}

// follow opens the path anew if it no longer leads to the file: the file or its
// folder was moved or removed, and what is written to it would be lost.
func (a *Audit) follow() error {
	if a.path == "-" {
		return nil
	}
	now, err := os.Stat(a.path)
	if err == nil && os.SameFile(now, a.opened) {
		return nil
	}
	if err := a.open(); err != nil {
		return err
	}
	a.log().Warn("the audit log was moved or removed; it was opened anew", slog.String("audit", a.path))
	return nil
}

// name is what errors call the file.
func (a *Audit) name() string {
	if a.path == "-" {
		return os.Stdout.Name()
	}
	return a.path
}

func (a *Audit) log() *slog.Logger {
	if a.Log == nil {
		return slog.Default()
	}
	return a.Log
}
