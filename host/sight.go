package host

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// System is what an Engine says of the system that it runs on.
type System struct {
	Hostname string
	Kernel   string // its release, as in uname -r
}

// Sight says what of an Engine's host this process does not see as the Engine
// does, and why. What has no reason is the same for both.
type Sight struct {
	Paths      string // the files
	Interfaces string // network interfaces and bridges
}

func thisSystem() (System, error) {
	var system unix.Utsname
	err := unix.Uname(&system)
	return System{unix.ByteSliceToString(system.Nodename[:]), unix.ByteSliceToString(system.Release[:])}, err
}

// nothingOf is the Sight of an Engine that runs on a system other than this one,
// such as a virtual machine.
func nothingOf(engine System) Sight {
	why := fmt.Sprintf("the Engine runs on another system, %s with the kernel %s", engine.Hostname, engine.Kernel)
	return Sight{why, why}
}
