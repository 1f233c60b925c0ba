//go:build darwin || freebsd

package host

import (
	"errors"

	"golang.org/x/sys/unix"
)

// readCredentials reads LOCAL_PEERCRED (unix(4)), and the process's number where
// the system has a way to tell it.
func (p *Peer) readCredentials(socket int) error {
	gids, uid, err := credentials(socket)
	if err != nil {
		return err
	}
	p.UID, p.GID = uid, gids[0]
	p.PID, err = pidOf(socket)
	return err
}

// gids returns the numbers of the peer's groups: the system notes 16 of them.
func (p *Peer) gids() (gids []int, err error) {
	if ctlErr := p.socket.Control(func(fd uintptr) { gids, _, err = credentials(int(fd)) }); ctlErr != nil {
		return nil, ctlErr
	}
	return gids, err
}

func credentials(socket int) (gids []int, uid int, err error) {
	cred, err := unix.GetsockoptXucred(socket, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return nil, 0, err
	}
	n := int(cred.Ngroups)
	if n < 1 || n > len(cred.Groups) {
		return nil, 0, errors.New("LOCAL_PEERCRED gives no groups")
	}
	for _, gid := range cred.Groups[:n] {
		gids = append(gids, int(gid))
	}
	return gids, int(cred.Uid), nil
}

func commandOf(int) (string, error) {
	return "", Lasting("this system does not tell a client's command; compare client.uid instead")
}
