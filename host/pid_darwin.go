package host

import "golang.org/x/sys/unix"

func pidOf(socket int) (int, error) {
	return unix.GetsockoptInt(socket, unix.SOL_LOCAL, unix.LOCAL_PEERPID)
}
