package auditlog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// Options says what is read of a log.
type Options struct {
	Since   time.Time                              // records before it are left out
	Follow  []string                               // paths whose files are read on after their end, and after they were replaced or made
	Skipped func(path string, line int, err error) // is told of each line that is no record; may be nil
}

// Log is several files, read as one.
type Log struct {
	options Options
	files   []*file
}

// Open opens files, and those that are to be followed and are not there yet as soon
// as they are. A file that is named twice, or by two paths, is read once. A file that
// was last written before Since is not read.
func Open(paths []string, options Options) (*Log, error) {
	l := &Log{options: options}
	for _, path := range options.Follow {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			continue
		}
		f, err := open(os.DevNull)
		if err != nil {
			l.Close()
			return nil, err
		}
		f.path, f.moved = path, true
		l.files = append(l.files, f)
	}
	var opened []os.FileInfo
	for _, path := range paths {
		f, err := open(path)
		if errors.Is(err, os.ErrNotExist) && slices.Contains(options.Follow, path) {
			continue
		}
		if err != nil {
			l.Close()
			return nil, err
		}
		info, err := f.opened.Stat()
		if err != nil {
			l.Close()
			return nil, err
		}
		is := func(other os.FileInfo) bool { return os.SameFile(info, other) }
		if slices.ContainsFunc(opened, is) || info.Mode().IsRegular() && info.ModTime().Before(options.Since) && !l.follows(f) {
			f.opened.Close()
			continue
		}
		opened = append(opened, info)
		l.files = append(l.files, f)
	}
	return l, nil
}

func (l *Log) follows(f *file) bool { return slices.Contains(l.options.Follow, f.path) }

// Close closes the files.
func (l *Log) Close() {
	for _, f := range l.files {
		f.opened.Close()
	}
	l.files = nil
}

// Next returns the next record. It takes the files in order of time, and the
// records of a file in the order in which they stand there. The record's Line is
// valid until the next call. The error is io.EOF at the end of every file; if files
// are followed, the next call looks whether there is more.
func (l *Log) Next() (Record, error) {
	var earliest *file
	for i := 0; i < len(l.files); {
		f := l.files[i]
		ended, err := l.read(f)
		if err != nil {
			return Record{}, err
		}
		if ended {
			f.opened.Close()
			l.files = append(l.files[:i], l.files[i+1:]...)
			continue
		}
		i++
		if f.first != nil && (earliest == nil || f.first.Time().Before(earliest.first.Time())) {
			earliest = f
		}
	}
	if earliest == nil {
		return Record{}, io.EOF
	}
	record := *earliest.first
	earliest.first = nil
	return record, nil
}

// read reads the next record of a file, unless it is read already. It reports
// whether the file has no more and is not followed.
func (l *Log) read(f *file) (ended bool, err error) {
	for f.first == nil {
		line, err := f.line()
		if errors.Is(err, io.EOF) {
			if !l.follows(f) || f.moved {
				line, err = f.rest()
			}
			if errors.Is(err, io.EOF) {
				if !l.follows(f) {
					return true, nil
				}
				more, err := f.follow()
				if err != nil || !more {
					return false, err
				}
				continue
			}
		}
		switch {
		case errors.Is(err, errTooLong):
			l.skipped(f, err)
		case err != nil:
			return false, fmt.Errorf("%s: %w", f.path, err)
		default:
			l.parse(f, line)
		}
	}
	return false, nil
}

// parse keeps a line as the file's next record, if it is a record that is asked for.
func (l *Log) parse(f *file, line []byte) {
	record, err := Parse(line)
	switch {
	case err != nil:
		l.skipped(f, err)
	case !record.Time().Before(l.options.Since):
		f.first = &record
	}
}

func (l *Log) skipped(f *file, err error) {
	if l.options.Skipped != nil {
		l.options.Skipped(f.path, f.number, err)
	}
}
