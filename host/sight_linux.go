//go:build linux && !portable

package host

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// SightOf compares what this process sees with what an Engine sees that listens
// on a Unix socket. The process that listens stands for the Engine: systemd, if
// it made the socket. Evidence that is missing counts as a difference.
func SightOf(socket string, engine System) (Sight, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return Sight{}, err
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return Sight{}, err
	}
	peer, err := PeerOf(raw)
	if err != nil {
		return Sight{}, err
	}
	own, err := thisSystem()
	if err != nil {
		return Sight{}, err
	}
	// The hostname is the container's own if safesock runs in one.
	if engine.Kernel != own.Kernel || engine.Hostname != own.Hostname && peer.PID != 0 {
		return nothingOf(engine), nil
	}
	return Sight{otherRoot(peer.PID, socket), otherNetwork(peer.UID, socket)}, nil
}

const inContainer = "safesock runs in a container, and the Engine outside of it"

// otherRoot says why the files of the Engine's process may be others than this
// process's, "" if they are the same. The process is 0 if it is outside of this
// process's PID namespace.
func otherRoot(pid int, socket string) string {
	if pid == 0 {
		return inContainer
	}
	same, err := SameFile("/", fmt.Sprintf("/proc/%d/root/", pid))
	switch {
	case err == nil && same:
		return ""
	case err == nil:
		return "the Engine has another root folder"
	}
	// Only root may look at the Engine's root. Engines mount /etc/hosts into each
	// container, and whoever gives a container the socket mounts that.
	for _, path := range []string{"/etc/hosts", socket} {
		var found unix.Statx_t
		err := unix.Statx(unix.AT_FDCWD, path, 0, 0, &found)
		if err != nil && !isMissing(err) || found.Attributes_mask&found.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
			return inContainer
		}
	}
	return ""
}

// otherNetwork says why the Engine's network interfaces may be others than this
// process's, "" if they are the same.
func otherNetwork(uid int, socket string) string {
	if uid != 0 {
		return "the Engine is rootless, and its bridges are in a network namespace of its own"
	}
	switch here, err := listensHere(socket); {
	case err != nil:
		return fmt.Sprintf("the kernel does not tell where the Engine listens: %v", err)
	case !here:
		return "the Engine is in another network namespace"
	}
	return ""
}

// Parts of linux/unix_diag.h, which lists the Unix sockets that were made in this
// process's network namespace.
const (
	listening   = 1 << 10 // a bit for each state
	diagShowVFS = 2
	diagVFS     = 1 // the attribute that names a socket's file
	diagMessage = 16
)

// unixDiagRequest is struct unix_diag_req.
type unixDiagRequest struct {
	Family, Protocol byte
	_                uint16
	States           uint32
	Ino              uint32
	Show             uint32
	Cookie           [2]uint32
}

func (r *unixDiagRequest) Len() int { return binary.Size(r) }

func (r *unixDiagRequest) Serialize() []byte {
	var out bytes.Buffer
	_ = binary.Write(&out, binary.NativeEndian, r) // a Buffer gives no errors
	return out.Bytes()
}

// listensHere reports whether the listener of a Unix socket was made in this
// process's network namespace.
func listensHere(socket string) (bool, error) {
	var file unix.Stat_t
	if err := unix.Stat(socket, &file); err != nil {
		return false, &os.PathError{Op: "stat", Path: socket, Err: err}
	}
	request := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
	request.AddData(&unixDiagRequest{Family: unix.AF_UNIX, States: listening, Show: diagShowVFS})
	listeners, err := request.Execute(unix.NETLINK_SOCK_DIAG, 0)
	if err != nil {
		return false, err
	}
	device := unix.Major(uint64(file.Dev))<<20 | unix.Minor(uint64(file.Dev)) // as the kernel has it
	for _, message := range listeners {
		if len(message) < diagMessage {
			continue
		}
		attributes, err := nl.ParseRouteAttr(message[diagMessage:])
		if err != nil {
			return false, err
		}
		for _, a := range attributes {
			if a.Attr.Type == diagVFS && len(a.Value) >= 8 &&
				binary.NativeEndian.Uint32(a.Value) == uint32(file.Ino) && binary.NativeEndian.Uint32(a.Value[4:]) == device {
				return true, nil
			}
		}
	}
	return false, nil
}
