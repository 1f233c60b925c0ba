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

// Resolve follows the symbolic links of an absolute path. The part that does not
// exist yet is kept as it is written. So is the part behind a link of /proc that
// leads into a process: the kernel does not follow such a link by its text, and
// looks for what comes next in the root of that process. A path that cannot be
// looked at, or not within two seconds, is an error.
func (Machine) Resolve(path string) (resolved string, exists bool, err error) {
	found := pathLooks.bounded(func() place { return resolve(path) })
	return found.path, found.exists, found.err
}

// ResolveAs is Resolve with one path for a file, whatever other names it has.
func (Machine) ResolveAs(path, file string) (resolved string, exists bool, err error) {
	found := pathLooks.bounded(func() place { return resolveAs(path, file) })
	return found.path, found.exists, found.err
}

func resolveAs(path, file string) place {
	found := resolve(path)
	if found.err != nil || !found.exists {
		return found
	}
	same, err := SameFile(found.path, file)
	if err != nil {
		return place{err: err}
	}
	if same {
		found.path = file
	}
	return found
}

// GroupOf is the number of a file's group.
func (Machine) GroupOf(path string) (int, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return 0, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return int(stat.Gid), nil
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
	if isMissing(err) {
		return nil
	}
	return err
}

// isMissing reports whether an error says that there is no such file. Nothing is
// below a path that is no folder.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}

// maxLinks bounds the symbolic links that are followed for one path, as the
// kernel does.
const maxLinks = 40

// resolve is Resolve, however long it takes.
func resolve(path string) place {
	done, rest := "/", filepath.Clean(path)
	for links := 0; ; {
		next, behind, _ := strings.Cut(strings.TrimLeft(rest, "/"), "/")
		if next == "" {
			return place{path: done, exists: true}
		}
		at := filepath.Join(done, next)
		info, err := os.Lstat(at)
		switch {
		case isMissing(err):
			return place{path: filepath.Join(at, behind)}
		case err != nil:
			return place{err: err}
		case info.Mode().Type() != fs.ModeSymlink:
			done, rest = at, behind
			continue
		}
		target, err := os.Readlink(at)
		if err != nil {
			return place{err: err}
		}
		enters, err := entersProcess(done, target)
		if err != nil {
			return place{err: err}
		}
		if enters {
			at = filepath.Join(at, behind)
			_, err := os.Stat(at)
			return place{path: at, exists: err == nil, err: unlessMissing(err)}
		}
		if links++; links > maxLinks {
			return place{err: &fs.PathError{Op: "resolve", Path: path, Err: unix.ELOOP}}
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
