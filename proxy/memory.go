package proxy

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// calmTime is how long no client has come or gone when memory is given back.
const calmTime = time.Second

// giveBack returns to the system what was needed to start, or for clients that
// are gone: an idle proxy collects no garbage, and keeps the pages of every
// part of the program that ever ran.
func giveBack() {
	debug.FreeOSMemory()
	closePipes()
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) != 6 || fields[5] != program || strings.Contains(fields[1], "w") {
			continue
		}
		var from, to uintptr
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &from, &to); err != nil {
			return
		}
		// Read-only pages of a file are read again when they are next needed.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
	}
}
