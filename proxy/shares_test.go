package proxy

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// setDescriptorLimit lets this process open so many files, until the test ends.
func setDescriptorLimit(t *testing.T, limit uint64) {
	t.Helper()
	var usual unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &usual); err != nil {
		t.Fatal(err)
	}
	few := usual
	few.Cur = 0
	for range limit { // the type of Cur differs from system to system
		few.Cur++
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &usual); err != nil {
			t.Error(err)
		}
	})
}

func TestAUserWithAllOfHisDescriptorsIsToldSo(t *testing.T) {
	const limit, connections = 200, 75 // of two descriptors: three quarters
	setDescriptorLimit(t, limit)
	w := newWorld(t, func(e *peerEnd) {
		for range 2 {
			e.expect(ping)
			e.send(okText)
		}
		e.expectEnd()
	})
	known := w.dial()
	known.send(ping)
	known.expect(okText)
	for range connections - 1 {
		w.dial()
	}
	w.awaitConnections(connections)
	turnedAway := fmt.Sprintf("503 safesock: uid %d holds 150 of the 200 descriptors that safesock may open, which is as many as one user may hold; close some connections, or raise the limit (LimitNOFILE= in safesock's unit, or ulimit -n)", os.Getuid())
	for range 2 {
		c := w.dial()
		c.send(ping)
		c.expectAnswer(turnedAway)
		c.expectEnd()
	}
	known.send(ping) // a connection that was there goes on
	known.expect(okText)

	known.Close()
	w.awaitConnections(connections - 1)
	c := w.dial()
	for range 2 {
		c.send(ping)
		c.expect(okText)
	}
}

// A call asks the Engine over a connection that counts as well.
func TestALookUpNeedsADescriptorOfItsUser(t *testing.T) {
	setDescriptorLimit(t, 200)
	w := newWorld(t, func(e *peerEnd) { t.Error("the Engine was asked") })
	c := w.dial()
	w.awaitConnections(1)
	if err := w.server.shares.take(os.Getuid(), 148); err != nil {
		t.Fatal(err)
	}
	c.send("POST /containers/web/start HTTP/1.1\r\nHost: docker\r\n\r\n")
	c.expectAnswer(fmt.Sprintf("502 safesock: engine /containers/web/json: cannot ask the Engine: uid %d holds 150 of the 200 descriptors that safesock may open, which is as many as one user may hold; close some connections, or raise the limit (LimitNOFILE= in safesock's unit, or ulimit -n)", os.Getuid()))
}

func TestNobodysDescriptorsShutOutAnother(t *testing.T) {
	s := shares{most: 1024}
	took := func(uid int) (n int) {
		for s.take(uid, 2) == nil {
			n += 2
		}
		return n
	}
	got := []int{took(0), took(1000), took(0), took(1001)}
	s.give(0, 700)
	got = append(got, took(1000), took(1001), took(0))
	want := []int{768, 192, 0, 48, 488, 158, 34}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %d want %d", got, want)
	}
}

// shortListener has no memory or descriptor for the first clients.
type shortListener struct {
	net.Listener
	shortages []error
}

func (l *shortListener) Accept() (net.Conn, error) {
	if len(l.shortages) == 0 {
		return l.Listener.Accept()
	}
	err := l.shortages[0]
	l.shortages = l.shortages[1:]
	return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
}

func TestClientsWaitWhileTheyCannotBeAccepted(t *testing.T) {
	w := newWorld(t, func(e *peerEnd) {
		e.expect(ping)
		e.send(okText)
	})
	w.stop()
	if err := w.awaitStop(); err != nil {
		t.Fatal(err)
	}
	l, err := Listen(w.socket, 0o600, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() {
		stopped <- w.server.Serve(ctx, &shortListener{l, []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM}})
	}()
	c := w.dial()
	c.send(ping)
	c.expect(okText)
	stop()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
