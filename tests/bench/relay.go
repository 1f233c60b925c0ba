//go:build linux

package main

import (
	"cmp"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// serveRelay moves bytes and reads none of them, with a thread for each
// direction that blocks in splice(2). What it costs is the kernel's part of any
// relay of bulk.
func serveRelay(listen, upstream string) error {
	l, err := unixSocket()
	if err != nil {
		return err
	}
	if err := unix.Bind(l, &unix.SockaddrUnix{Name: listen}); err != nil {
		return err
	}
	if err := unix.Listen(l, 1024); err != nil {
		return err
	}
	go obey(nil)
	for {
		client, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
		if err != nil {
			return err
		}
		engine, err := unixSocket()
		if err != nil {
			return err
		}
		if err := unix.Connect(engine, &unix.SockaddrUnix{Name: upstream}); err != nil {
			return err
		}
		go func() {
			sent := make(chan error)
			go func() { sent <- splice(engine, client) }()
			err := splice(client, engine)
			_ = unix.Shutdown(client, unix.SHUT_RDWR)
			if err := cmp.Or(err, <-sent); err != nil {
				fmt.Fprintln(os.Stderr, "relay:", err)
			}
			unix.Close(client)
			unix.Close(engine)
		}()
	}
}

func unixSocket() (int, error) {
	return unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
}

// splice moves all that comes from src, and its end.
func splice(dst, src int) error {
	const size = 1 << 20
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	_, _ = unix.FcntlInt(uintptr(pipe[0]), unix.F_SETPIPE_SZ, size)
	_ = unix.SetsockoptInt(dst, unix.SOL_SOCKET, unix.SO_SNDBUF, size)
	for {
		held, err := unix.Splice(src, nil, pipe[1], nil, size, unix.SPLICE_F_MOVE)
		if err != nil {
			return err
		}
		if held == 0 {
			return unix.Shutdown(dst, unix.SHUT_WR)
		}
		for held > 0 {
			n, err := unix.Splice(pipe[0], nil, dst, nil, int(held), unix.SPLICE_F_MOVE)
			if err != nil {
				return err
			}
			held -= n
		}
	}
}
