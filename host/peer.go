package host

import (
	"sync"
	"syscall"
)

// Peer is the process at the other end of a Unix socket, as the kernel noted it
// when the process connected. Its names are looked up when they are first asked
// for.
type Peer struct {
	UID, GID int
	PID      int // 0 if the kernel does not say

	socket syscall.RawConn

	user, command remembered[string]
	groups        remembered[[]string]
}

// PeerOf returns the process at the other end of a connected Unix socket, which
// has to stay open for as long as the process's groups are asked for.
func PeerOf(socket syscall.RawConn) (*Peer, error) {
	p := &Peer{socket: socket}
	var err error
	if ctlErr := socket.Control(func(fd uintptr) { err = p.readCredentials(int(fd)) }); ctlErr != nil {
		return nil, ctlErr
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// remembered is the result of a look-up. A look-up that fails is made again
// when it is next asked for.
type remembered[T any] struct {
	mu    sync.Mutex
	known bool
	value T
}

func (r *remembered[T]) get(look func() (T, error)) (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known {
		return r.value, nil
	}
	value, err := look()
	r.value, r.known = value, err == nil
	return value, err
}

// User returns the name of the process's user.
func (p *Peer) User() (string, error) {
	return p.user.get(func() (string, error) { return UserName(p.UID) })
}

// ListedUser is like User, but asks no directory, which can take its time: only
// /etc/passwd is read.
func (p *Peer) ListedUser() (string, error) {
	return p.user.get(func() (string, error) { return hostNames.listedName("passwd", p.UID) })
}

// Groups returns the names of the groups that the process had when it
// connected, the main group first.
func (p *Peer) Groups() ([]string, error) {
	return p.groups.get(func() ([]string, error) {
		gids, err := p.gids()
		if err != nil {
			return nil, err
		}
		return GroupNames(gids...)
	})
}

// Command returns the name of the program that the process runs.
func (p *Peer) Command() (string, error) {
	return p.command.get(func() (string, error) { return commandOf(p.PID) })
}
