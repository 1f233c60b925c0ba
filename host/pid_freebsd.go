package host

// pidOf returns 0: golang.org/x/sys/unix leaves out cr_pid of FreeBSD's xucred.
func pidOf(int) (int, error) { return 0, nil }
