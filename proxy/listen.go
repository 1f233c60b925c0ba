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

// Listen makes a Unix socket at path, in a folder that it makes if missing. A
// socket that another process answers on is refused; a stale one is replaced.
// The mode is the socket's; group "" leaves its group alone. Closing the
// listener removes the socket.
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

// listener is a socket with a name in the file system and the lock that keeps
// a second instance from it.
type listener struct {
	*net.UnixListener
	path   string
	unlock func()
}

// Close removes the socket. It can be called again.
func (l *listener) Close() error {
	err := l.UnixListener.Close()
	if err == nil {
		os.Remove(l.path)
		l.unlock()
	}
	return err
}

// listenPrivately makes a socket that nobody but its owner can connect to.
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

// lock keeps a second instance away from path while this process lives.
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

// removeStale removes a socket that nobody answers on any more.
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
