package proxy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/safesock/safesock/policy"
)

// peer is the process that connected, as the kernel noted it then (SO_PEERCRED
// and SO_PEERGROUPS in unix(7)). Its names are looked up when a rule first asks
// for one.
type peer struct {
	uid, gid, pid int
	socket        syscall.RawConn

	user, command remembered[string]
	groups        remembered[[]string]
}

func peerOf(socket syscall.RawConn) (*peer, error) {
	var cred *unix.Ucred
	var err error
	if ctlErr := socket.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); ctlErr != nil {
		return nil, ctlErr
	}
	if err != nil {
		return nil, err
	}
	return &peer{uid: int(cred.Uid), gid: int(cred.Gid), pid: int(cred.Pid), socket: socket}, nil
}

// remembered is the answer of a look-up. One that fails is made again when it
// is next asked for.
type remembered[T any] struct {
	mu     sync.Mutex
	known  bool
	answer T
}

func (r *remembered[T]) get(look func() (T, error)) (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known {
		return r.answer, nil
	}
	answer, err := look()
	r.answer, r.known = answer, err == nil
	return answer, err
}

// client is the peer for the rules that decide one call. Each name is looked
// up once for it, however many claims it makes.
func (p *peer) client() policy.Client {
	return policy.Client{
		UID: p.uid, GID: p.gid, PID: p.pid,
		User:    onceACall(&p.user, p.userName),
		Groups:  onceACall(&p.groups, p.groupNames),
		Command: onceACall(&p.command, p.commandName),
	}
}

func onceACall[T any](r *remembered[T], look func() (T, error)) func() (T, error) {
	return sync.OnceValues(func() (T, error) {
		answer, err := r.get(look)
		if err != nil && !errors.As(err, new(lasting)) {
			err = fmt.Errorf("%w; try again", err)
		}
		return answer, err
	})
}

// record is the peer for the log. A name that is missing there refuses nothing,
// so that getent, which can take its time, is not asked for it.
func (p *peer) record() ClientRecord {
	r := ClientRecord{UID: p.uid, GID: p.gid, PID: p.pid}
	var userErr, commandErr error
	r.User, userErr = p.user.get(p.listedName)
	r.Command, commandErr = p.command.get(p.commandName)
	for _, err := range []error{userErr, commandErr} {
		if err != nil && !errors.As(err, new(lasting)) {
			r.Error = err.Error()
		}
	}
	return r
}

// listedName is the user's name if /etc/passwd has it.
func (p *peer) listedName() (string, error) {
	found, err := hostNames.listed("passwd")
	if err != nil {
		return "", err
	}
	for _, a := range found {
		if a.id == p.uid {
			return a.name, nil
		}
	}
	return "", nameless("passwd", p.uid)
}

func (p *peer) userName() (string, error) { return UserName(p.uid) }

func (p *peer) groupNames() ([]string, error) {
	gids, err := p.gids()
	if err != nil {
		return nil, err
	}
	return GroupNames(gids...)
}

// gids are the numbers of the groups that the process had when it
// connected, the main one first.
func (p *peer) gids() ([]int, error) {
	var list []uint32
	var err error
	for size := uint32(32); ; { // bytes
		list = make([]uint32, size/4)
		if ctlErr := p.socket.Control(func(fd uintptr) {
			_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
				uintptr(unsafe.Pointer(unsafe.SliceData(list))), uintptr(unsafe.Pointer(&size)), 0)
			err = nil
			if errno != 0 {
				err = os.NewSyscallError("getsockopt SO_PEERGROUPS", errno)
			}
		}); ctlErr != nil {
			return nil, ctlErr
		}
		if !errors.Is(err, unix.ERANGE) { // which leaves in size what there is
			list = list[:size/4]
			break
		}
	}
	if err != nil {
		return nil, err
	}
	gids := []int{p.gid}
	for _, gid := range list {
		gids = append(gids, int(gid))
	}
	return gids, nil
}

// errNoProcess is of a process that /proc does not show: it is gone, hidepid
// hides it, or it is not in safesock's PID namespace or one below, so that the
// kernel tells no number.
const errNoProcess = lasting("the process is gone or cannot be seen from here; compare client.uid instead")

func (p *peer) commandName() (string, error) {
	comm, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/comm")
	switch {
	case p.pid == 0, errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH):
		return "", errNoProcess
	case err != nil:
		return "", err
	}
	return strings.TrimSuffix(string(comm), "\n"), nil
}
