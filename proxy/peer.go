package proxy

import (
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safesock/safesock/policy"
)

// peer is the process that connected, as the kernel noted it then (SO_PEERCRED
// in unix(7)). Its names are looked up when a call first needs them.
type peer struct {
	uid, gid, pid int
	named         *policy.Client
}

func peerOf(raw syscall.RawConn) (peer, error) {
	var cred *unix.Ucred
	var err error
	if ctlErr := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); ctlErr != nil {
		return peer{}, ctlErr
	}
	if err != nil {
		return peer{}, err
	}
	return peer{uid: int(cred.Uid), gid: int(cred.Gid), pid: int(cred.Pid)}, nil
}

// client is the peer with its names. A process that is gone, or is in another
// PID namespace, has no command; a uid that the host does not know no user.
func (p *peer) client() policy.Client {
	if p.named != nil {
		return *p.named
	}
	c := policy.Client{UID: p.uid, GID: p.gid, PID: p.pid}
	if comm, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/comm"); err == nil {
		c.Command = strings.TrimSuffix(string(comm), "\n")
	}
	if u, err := user.LookupId(strconv.Itoa(p.uid)); err == nil {
		c.User = u.Username
		ids, _ := u.GroupIds() // a user whose groups cannot be read is in none
		for _, id := range ids {
			if g, err := user.LookupGroupId(id); err == nil {
				c.Groups = append(c.Groups, g.Name)
			}
		}
	}
	p.named = &c
	return c
}
