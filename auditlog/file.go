package auditlog

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
)

// rotated matches what logrotate and others put behind the name of a log that they
// keep, as in audit.log.1, audit.log.2.gz and audit.log-20261127.gz.
var rotated = regexp.MustCompile(`^[.-]\d[-.\d]*(\.\w+)?$`)

// Rotated returns path and the files that it was rotated to. It leaves out path if it
// is not there but others are, as after a rotation until the next record.
func Rotated(path string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, entry := range entries {
		if behind, ok := bytes.CutPrefix([]byte(entry.Name()), []byte(filepath.Base(path))); ok && rotated.Match(behind) {
			paths = append(paths, filepath.Join(filepath.Dir(path), entry.Name()))
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) || len(paths) == 0 {
		paths = append(paths, path)
	}
	return paths, nil
}

// maxLine is the longest line that is read, in bytes. A record is little longer
// than the largest body of a call and the texts of one record.
const maxLine = 64 << 20

// file is one file of a log.
type file struct {
	path   string
	opened *os.File
	lines  *bufio.Reader
	begun  []byte // what was read of a line that has not ended yet
	number int    // of the last line
	moved  bool   // the path leads to another file, and what is left of this one is being read

	first *Record // the next record, nil if it has not been read
}

// open opens a file. One that is compressed is known by its first bytes.
func open(path string) (*file, error) {
	f := &file{path: path, opened: os.Stdin}
	if path != "-" {
		var err error
		if f.opened, err = os.Open(path); err != nil {
			return nil, err
		}
	}
	f.lines = bufio.NewReaderSize(f.opened, 64<<10)
	if magic, _ := f.lines.Peek(2); !bytes.Equal(magic, []byte{0x1f, 0x8b}) { // an error comes again from the first read
		return f, nil
	}
	plain, err := gzip.NewReader(f.lines)
	if err != nil {
		f.opened.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.lines = bufio.NewReaderSize(plain, 64<<10)
	return f, nil
}

var errTooLong = fmt.Errorf("longer than %d MiB", maxLine>>20)

// line returns the next line without its end, which is valid until the next call.
// An error but errTooLong is that of the file. At io.EOF the file can have grown
// when it is asked again.
func (f *file) line() ([]byte, error) {
	for {
		part, err := f.lines.ReadSlice('\n')
		whole := part
		if len(f.begun) > 0 || err != nil {
			if len(f.begun) <= maxLine { // what is beyond is not held
				f.begun = append(f.begun, part...)
			}
			whole = f.begun
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return f.end(whole)
	}
}

// end ends a line.
func (f *file) end(line []byte) ([]byte, error) {
	f.begun = f.begun[:0]
	f.number++
	if len(line) > maxLine {
		f.begun = nil
		return nil, errTooLong
	}
	return bytes.TrimSuffix(line, []byte("\n")), nil
}

// rest returns what stands behind the end of the last line, io.EOF if nothing does.
func (f *file) rest() ([]byte, error) {
	if len(f.begun) == 0 {
		return nil, io.EOF
	}
	return f.end(f.begun)
}

// follow reports whether there is, or may be, more to read in a file that ended:
// it was replaced by a new file, or was emptied.
func (f *file) follow() (bool, error) {
	if f.moved {
		next, err := open(f.path)
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		f.opened.Close()
		*f = *next
		return true, nil
	}
	read, err := f.opened.Seek(0, io.SeekCurrent)
	if err != nil {
		return false, nil // a pipe goes on until its writers have gone
	}
	now, err := f.opened.Stat()
	if err != nil {
		return false, err
	}
	if now.Size() < read { // logrotate's copytruncate
		f.begun, f.number = nil, 0
		_, err := f.opened.Seek(0, io.SeekStart)
		return true, err
	}
	there, err := os.Stat(f.path)
	// A record may still be on its way to the old file, so that it is asked once
	// more.
	f.moved = err == nil && !os.SameFile(now, there)
	return false, nil
}
