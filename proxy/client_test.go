package proxy

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// withoutDescriptors runs do while this process can open no more files.
func withoutDescriptors(t *testing.T, do func()) {
	t.Helper()
	var usual unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &usual); err != nil {
		t.Fatal(err)
	}
	free, err := unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Close(free); err != nil {
		t.Fatal(err)
	}
	few := usual
	few.Cur = 0
	for range free { // the type of Cur differs from system to system
		few.Cur++
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &usual); err != nil {
			t.Fatal(err)
		}
	}()
	do()
}

// The first call comes while the client cannot be looked up. The next call, on
// the same connection, comes when it can.
func TestARuleIsNotSkippedWhileItsClientCannotBeLookedUp(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	main, err := user.LookupGroupId(strconv.Itoa(os.Getgid()))
	if err != nil {
		t.Fatal(err)
	}
	const denied = `403 safesock: 80/tcp may not be published on every interface (port "who", test.hcl:1); to allow it, put a rule before that one`
	unknown := func(attribute, path string) string {
		return `403 safesock: 80/tcp may not be published on every interface (port "who", test.hcl:1): test.hcl:2: the expression asks for ` + attribute +
			`, which is not known: open ` + path + `: too many open files; try again`
	}
	comm := fmt.Sprintf("/proc/%d/comm", os.Getpid())
	for _, test := range []struct{ condition, first, then string }{
		{`client.user == "` + me.Username + `"`, unknown("client.user", "/etc/passwd"), denied},
		{`client.user == "nobody else"`, unknown("client.user", "/etc/passwd"), "201 "},
		{`contains(client.groups, "` + main.Name + `")`, unknown("client.groups", "/etc/group"), denied},
		{`anytrue([for g in client.groups : g == "nobody else"])`, unknown("client.groups", "/etc/group"), "201 "},
		{`client.command == "proxy.test"`, unknown("client.command", comm), denied},
		{`client.uid == ` + me.Uid, denied, denied},
		{`client.uid != ` + me.Uid, "201 ", "201 "},
		{`port.container == 1 && client.user == "root"`, "201 ", "201 "},
	} {
		t.Run(test.condition, func(t *testing.T) {
			w := newWorld(t, func(e *peerEnd) {
				e.expect(ping)
				e.send(okText)
				for _, answers := range []string{test.first, test.then} {
					if answers == "201 " {
						e.expect(create(boundBody))
						e.send(answer("201 Created", `{}`))
					}
				}
				e.expectEnd()
			})
			w.setPolicy("port \"who\" {\n when = " + test.condition + "\n action = \"deny\"\n}")
			c := w.dial()
			c.send(ping)
			c.expect(okText)
			withoutDescriptors(t, func() {
				c.send(create(openBody))
				c.expectAnswer(test.first)
			})
			c.send(create(openBody))
			c.expectAnswer(test.then)
		})
	}
}

// expectAnswer reads an answer, and compares its status and its message.
func (p *peerEnd) expectAnswer(want string) {
	p.t.Helper()
	answer, err := http.ReadResponse(p.in, nil)
	if err != nil {
		p.t.Errorf("%s: %v", p.name, err)
		return
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Errorf("%s: %v", p.name, err)
	}
	message, _ := strings.CutPrefix(string(body), `{"message":"`)
	message, isMessage := strings.CutSuffix(message, "\"}\n")
	if !isMessage {
		message = ""
	}
	if got := fmt.Sprintf("%d %s", answer.StatusCode, strings.ReplaceAll(message, `\"`, `"`)); got != want {
		p.t.Errorf("%s got\n%s\nwant\n%s", p.name, got, want)
	}
}

func TestTheLogTellsWhyANameIsMissing(t *testing.T) {
	w := newWorld(t, func(e *peerEnd) {
		e.expect(ping)
		e.send(okText)
		e.expect(create(boundBody))
		e.send(answer("201 Created", `{}`))
		e.expectEnd()
	})
	c := w.dial()
	c.send(ping)
	c.expect(okText)
	withoutDescriptors(t, func() {
		c.send(create(openBody))
		c.expectAnswer("201 ")
	})
	var call struct{ Client ClientRecord }
	line, _, _ := strings.Cut(w.auditLog(), "\n")
	decode(t, line, &call)
	got := call.Client
	want := ClientRecord{UID: os.Getuid(), GID: os.Getgid(), PID: os.Getpid(), Error: fmt.Sprintf("open /proc/%d/comm: too many open files", os.Getpid())}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
