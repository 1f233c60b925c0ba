package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// ResolveAs is Resolve with one path for a file, whatever other names it has.
func (m Machine) ResolveAs(path, file string) (resolved string, exists bool, err error) {
	resolved, exists, err = m.Resolve(path)
	if err != nil || !exists {
		return resolved, exists, err
	}
	same, err := SameFile(resolved, file)
	if same {
		resolved = file
	}
	return resolved, exists, err
}

// SameFile reports whether two paths lead to the same file, as hard links do and
// paths through the root of a process. A path that leads nowhere is the same
// file as no other.
func SameFile(a, b string) (bool, error) {
	one, err := os.Stat(a)
	if err == nil {
		var other fs.FileInfo
		other, err = os.Stat(b)
		if err == nil {
			return os.SameFile(one, other), nil
		}
	}
	return false, unlessMissing(err)
}

// unlessMissing returns the error of a look-up, or nil if the error only says
// that there is no such file.
func unlessMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// maxLinks bounds the symbolic links that are followed for one path, as the
// kernel does.
const maxLinks = 40

// Resolve follows the symbolic links of an absolute path. The part that does not
// exist yet is kept as it is written. So is the part behind a link of /proc that
// leads into a process: the kernel does not follow such a link by its text, and
// looks for what comes next in the root of that process.
func (Machine) Resolve(path string) (resolved string, exists bool, err error) {
	done, rest := "/", filepath.Clean(path)
	for links := 0; ; {
		next, behind, _ := strings.Cut(strings.TrimLeft(rest, "/"), "/")
		if next == "" {
			return done, true, nil
		}
		at := filepath.Join(done, next)
		info, err := os.Lstat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return filepath.Join(at, behind), false, nil
		case err != nil:
			return "", false, err
		case info.Mode().Type() != fs.ModeSymlink:
			done, rest = at, behind
			continue
		}
		target, err := os.Readlink(at)
		if err != nil {
			return "", false, err
		}
		enters, err := entersProcess(done, target)
		if err != nil {
			return "", false, err
		}
		if enters {
			at = filepath.Join(at, behind)
			_, err := os.Stat(at)
			return at, err == nil, unlessMissing(err)
		}
		if links++; links > maxLinks {
			return "", false, &fs.PathError{Op: "resolve", Path: path, Err: unix.ELOOP}
		}
		if filepath.IsAbs(target) {
			done = "/"
		}
		rest = target + "/" + behind
	}
}

// entersProcess reports whether a link in a folder is one of /proc/PID/root, cwd,
// exe, fd and the like, whose target only looks like a path. The other links of
// /proc, such as self and mounts, have a relative target.
func entersProcess(folder, target string) (bool, error) {
	if ordinaryProcLink.MatchString(target) {
		return false, nil
	}
	return inProc(folder)
}

var ordinaryProcLink = regexp.MustCompile(`^(self|[0-9]+)(/[a-z0-9]+)*$`)
