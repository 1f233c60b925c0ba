package host

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// readCredentials reads SO_PEERCRED (unix(7)).
func (p *Peer) readCredentials(socket int) error {
	cred, err := unix.GetsockoptUcred(socket, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err == nil {
		p.UID, p.GID, p.PID = int(cred.Uid), int(cred.Gid), int(cred.Pid)
	}
	return err
}

// gids returns the numbers of the peer's groups (SO_PEERGROUPS in unix(7)).
func (p *Peer) gids() ([]int, error) {
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
		if !errors.Is(err, unix.ERANGE) { // which leaves the size that is needed in size
			list = list[:size/4]
			break
		}
	}
	if err != nil {
		return nil, err
	}
	gids := []int{p.GID}
	for _, gid := range list {
		gids = append(gids, int(gid))
	}
	return gids, nil
}

// errNoProcess means that /proc does not show a process: the process is gone,
// hidepid hides it, or it is outside safesock's PID namespace, in which case the
// kernel gives no number.
const errNoProcess = Lasting("the process is gone or cannot be seen from here; compare client.uid instead")

func commandOf(pid int) (string, error) {
	comm, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	switch {
	case pid == 0, errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH):
		return "", errNoProcess
	case err != nil:
		return "", err
	}
	return strings.TrimSuffix(string(comm), "\n"), nil
}
