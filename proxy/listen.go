package proxy

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safesock/safesock/host"
)

// Listen makes a Unix socket at path with this mode and group; with group "" the
// socket keeps the group it is made with. A missing folder is made. A socket on
// which no process answers any more is replaced; one that is in use is an error.
// Closing the listener removes the socket.
func Listen(path string, mode fs.FileMode, group string) (net.Listener, error) {
	gid := -1
	if group != "" {
		var err error
		if gid, err = host.GroupID(group); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	unlock, err := lock(path)
	if err != nil {
		return nil, err
	}
	if err := removeStale(path); err != nil {
		unlock()
		return nil, err
	}
	l, err := listenPrivately(path)
	if err != nil {
		unlock()
		return nil, err
	}
	if err = os.Chown(path, -1, gid); err == nil {
		err = os.Chmod(path, mode)
	}
	if err != nil {
		l.Close()
		os.Remove(path)
		unlock()
		return nil, err
	}
	return &listener{UnixListener: l, path: path, unlock: unlock}, nil
}

// listener is a socket in the file system, with the lock that keeps a second
// safesock from its path.
type listener struct {
	*net.UnixListener
	path   string
	unlock func()
}

// Close removes the socket. A second call returns an error and does nothing.
func (l *listener) Close() error {
	err := l.UnixListener.Close()
	if err == nil {
		os.Remove(l.path)
		l.unlock()
	}
	return err
}

// listenPrivately makes a socket that only its owner can connect to.
func listenPrivately(path string) (*net.UnixListener, error) {
	old := unix.Umask(0o177)
	defer unix.Umask(old)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	return l, nil
}

// lock keeps a second safesock away from path until unlock is called or this
// process ends.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: another safesock serves this socket; stop it, or choose another path with --listen", path)
	}
	return func() { f.Close() }, nil
}

// removeStale removes a socket on which no process answers any more. A socket
// that is in use is an error.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s: is there and is not a socket; remove it, or choose another path with --listen", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
		return fmt.Errorf("%s: another process serves this socket; stop it, or choose another path with --listen", path)
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}
