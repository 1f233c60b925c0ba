//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safesock/safesock/tests/e2e/lab"
)

// A stream that is moved by splices needs descriptors for a pipe.
func TestAStreamIsWholeWithoutAFreeDescriptor(t *testing.T) {
	const length = 100_000_000
	everyEngine(t, func(t *testing.T, l *lab.Lab) {
		l.Docker(t, "run", "-d", "--name", "running", "web:1")
		safesock := l.Serve(t)
		c := l.Open(t, lab.SafesockSocket)
		answers := bufio.NewReader(c)
		call := func(target, body string) *http.Response {
			t.Helper()
			c.Send(t, "POST "+target+" HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body)
			res, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			return res
		}
		res := call("/v1.41/containers/running/exec", `{"Cmd":["head","-c","100000000","/dev/zero"],"AttachStdout":true,"Tty":true}`)
		var exec struct{ ID string }
		if err := json.NewDecoder(res.Body).Decode(&exec); err != nil || exec.ID == "" {
			t.Fatalf("%s: %v", res.Status, err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
		pid, err := safesock.PID()
		if err != nil {
			t.Fatal(err)
		}
		limit := unix.Rlimit{Cur: 3, Max: 3}
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &limit, nil); err != nil {
			t.Fatal(err)
		}
		res = call("/v1.41/exec/"+exec.ID+"/start", `{"Detach":false,"Tty":true}`)
		if res.StatusCode != http.StatusOK {
			t.Fatal(res.Status)
		}
		n, err := io.Copy(io.Discard, answers)
		if n != length || err != nil {
			t.Errorf("got %d bytes (%v), want %d", n, err, length)
		}
	})
}

// Root's connections count like those of any other user.
func TestSilentConnectionsOfOneUserShutOutNobodyElse(t *testing.T) {
	everyEngine(t, func(t *testing.T, l *lab.Lab) {
		l.Start(t, "safesock.log", "sh", "-c", "ulimit -n 256; exec safesock serve --upstream unix://"+l.Kind.Socket)
		connect := func() (c *net.UnixConn) {
			lab.Until(t, "safesock accepts a connection", func() (err error) {
				c, err = l.Dial(lab.SafesockSocket)
				return err
			})
			return c
		}
		for range 4000 {
			defer connect().Close()
		}
		docker := func(uid string) string {
			t.Helper()
			out, err := l.Command("", "sh", "-c", "setpriv --clear-groups --regid $(stat -c %g "+lab.SafesockSocket+") --reuid "+uid+
				" env HOME=/ docker --host unix://"+lab.SafesockSocket+" version --format {{.Server.Os}} 2>&1").CombinedOutput()
			return strings.TrimSpace(string(out)) + fmt.Sprint(" ", err)
		}
		const toldSo = "safesock: uid 0 holds 192 of the 256 descriptors that safesock may open, which is as many as one user may hold; " +
			"close some connections, or raise the limit (LimitNOFILE= in safesock's unit, or ulimit -n)"
		if got := docker("0"); !strings.Contains(got, toldSo) {
			t.Errorf("root was told %q want %q", got, toldSo)
		}
		if got, want := docker("12345"), "linux <nil>"; got != want {
			t.Errorf("another user was told %q want %q", got, want)
		}
	})
}
