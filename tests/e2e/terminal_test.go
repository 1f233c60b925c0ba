//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/safesock/safesock/tests/e2e/lab"
)

// terminal is a command that a person types into.
type terminal struct {
	t    *testing.T
	pty  *os.File
	cmd  *exec.Cmd
	seen []byte
}

func openTerminal(t *testing.T, cmd *exec.Cmd, rows, cols uint16) *terminal {
	t.Helper()
	cmd.Env = append(cmd.Env, "TERM=xterm")
	file, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: rows, Cols: cols})
	if err != nil {
		t.Fatal(err)
	}
	// Nothing here waits for ever on a terminal that stays silent.
	hangUp := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	t.Cleanup(func() {
		hangUp.Stop()
		file.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	return &terminal{t: t, pty: file, cmd: cmd}
}

// types sends keys.
func (term *terminal) types(keys string) {
	term.t.Helper()
	if _, err := term.pty.WriteString(keys); err != nil {
		term.t.Fatal(err)
	}
}

// shows reads until the screen has shown the pattern, and forgets what was before its end.
func (term *terminal) shows(pattern string) {
	term.t.Helper()
	want := regexp.MustCompile(pattern)
	for {
		if at := want.FindIndex(term.seen); at != nil {
			term.seen = term.seen[at[1]:]
			return
		}
		some := make([]byte, 4096)
		n, err := term.pty.Read(some)
		if err != nil {
			term.t.Fatalf("the terminal ended with %q (%v), without %q", term.seen, err, pattern)
		}
		term.seen = append(term.seen, some[:n]...)
	}
}

// exits waits for the end of the command, with this status.
func (term *terminal) exits(status int) {
	term.t.Helper()
	for {
		if _, err := term.pty.Read(make([]byte, 4096)); err != nil {
			break
		}
	}
	term.cmd.Wait()
	if got := term.cmd.ProcessState.ExitCode(); got != status {
		term.t.Errorf("exit status: got %d, want %d", got, status)
	}
}

func TestTerminalSession(t *testing.T) {
	everyEngine(t, func(t *testing.T, l *lab.Lab) {
		l.Serve(t)
		docker := func(args ...string) *exec.Cmd {
			return l.Command("", append([]string{"docker", "--host", "unix://" + lab.SafesockSocket}, args...)...)
		}

		// Typing and output, the window's size and its changes, and the exit status.
		term := openTerminal(t, docker("run", "-it", "--name", "one", "web:1", "sh"), 31, 101)
		term.shows(`# `)
		term.types("tty && echo is$((40+2))\r")
		term.shows(`/dev/pts/0\r\n`)
		term.shows(`is42\r\n`)
		for _, size := range []struct {
			rows, cols uint16
			want       string
		}{{31, 101, "31 101"}, {53, 67, "53 67"}} {
			if err := pty.Setsize(term.pty, &pty.Winsize{Rows: size.rows, Cols: size.cols}); err != nil {
				t.Fatal(err)
			}
			// The client resizes when it is told, which the shell in the container has to wait for.
			term.types("until [ \"$(stty size)\" = '" + size.want + "' ]; do :; done; echo size $(stty size)\r")
			term.shows(`\nsize ` + size.want)
		}
		term.types("exit 3\r")
		term.exits(3)

		// ^P ^Q leaves the container to itself; attaching comes back to it.
		term = openTerminal(t, docker("run", "-it", "--name", "two", "web:1", "sh"), 24, 80)
		term.shows(`# `)
		term.types("WORD=kept\r") // Docker 29 itself loses, now and then, what comes right before the keys to detach
		term.shows(`WORD=kept\r\n.*# `)
		term.types("\x10\x11")
		term.exits(0)
		if got := l.Docker(t, "inspect", "--format", "{{.State.Running}}", "two"); got != "true" {
			t.Errorf("after detaching it runs: got %s, want true", got)
		}
		term = openTerminal(t, docker("attach", "two"), 24, 80)
		term.types("echo still $WORD\r")
		term.shows(`still kept\r\n`)

		// ^C reaches the process at the other end; a second session is one of its own.
		second := openTerminal(t, docker("exec", "-it", "two", "sh"), 24, 80)
		second.shows(`# `)
		second.types("echo purr; cat\r") // what is typed before the shell has let go of the terminal is lost
		second.shows(`\npurr\r\n`)
		second.types("meow\r")
		second.shows(`meow\r\nmeow\r\n`)
		second.types("\x03")
		second.shows(`# `)
		second.types("exit 5\r")
		second.exits(5)

		term.types("exit 0\r")
		term.exits(0)
	})
}
