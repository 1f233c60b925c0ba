package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// typing is a command in a terminal, with what it has printed so far.
type typing struct {
	t     *testing.T
	tty   *os.File
	cmd   *exec.Cmd
	shown strings.Builder
}

// inTerminal starts a shell script in a terminal of its own. $ENGINE is an address
// where no Engine is.
func inTerminal(t *testing.T, script string) *typing {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.Env = append(os.Environ(), "ENGINE=unix://"+filepath.Join(t.TempDir(), "engine.sock"))
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	hangUp := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill(); tty.Close() })
	t.Cleanup(func() {
		hangUp.Stop()
		tty.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	return &typing{t: t, tty: tty, cmd: cmd}
}

// shows reads until the terminal has shown a text so many times.
func (p *typing) shows(text string, times int) {
	p.t.Helper()
	some := make([]byte, 4096)
	for strings.Count(p.shown.String(), text) < times {
		n, err := p.tty.Read(some)
		if err != nil {
			p.t.Fatalf("the terminal ended without %q %d times: %v\n%s", text, times, err, p.shown.String())
		}
		p.shown.Write(some[:n])
	}
}

func (p *typing) types(keys string) {
	p.t.Helper()
	if _, err := io.WriteString(p.tty, keys); err != nil {
		p.t.Fatal(err)
	}
}

// ends reads to the end, and returns all that was shown.
func (p *typing) ends() string {
	_, _ = io.Copy(&p.shown, p.tty) // a terminal ends with an error
	p.cmd.Wait()
	return p.shown.String()
}

// interrupts prints each interrupt, until it gets SIGUSR1.
func interrupts() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, os.Interrupt, syscall.SIGUSR1)
	fmt.Println("ready")
	for each := range signals {
		if each == syscall.SIGUSR1 {
			fmt.Println("bye")
			os.Exit(5)
		}
		fmt.Println("caught")
	}
}

func TestCtrlCReachesACommandOnceAndSafesockEndsAfterIt(t *testing.T) {
	p := inTerminal(t, `exec safesock exec --upstream $ENGINE interrupts`)
	send := func(signal syscall.Signal) {
		t.Helper()
		if err := p.cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
	}
	p.shows("ready", 1)
	// What safesock passes on would come once more, and in order.
	send(syscall.SIGSTOP)
	p.types("\x03")
	p.shows("caught", 1)
	send(syscall.SIGCONT)
	p.types("\x03")
	p.shows("caught", 2)
	send(syscall.SIGUSR1)
	got := p.ends()
	if n := strings.Count(got, "caught"); n != 2 {
		t.Errorf("Ctrl-C came %d times, want 2:\n%s", n, got)
	}
	if bye, summary := strings.Index(got, "bye"), strings.Index(got, "safesock: nothing was changed"); bye < 0 || summary < bye {
		t.Errorf("the summary is not behind the command's end:\n%s", got)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 5 {
		t.Errorf("exit code: got %d, want 5", code)
	}
}

func TestAnInterruptFromElsewhereReachesACommand(t *testing.T) {
	for _, name := range []string{"INT", "QUIT"} {
		cmd := exec.Command("safesock", "exec", "--upstream", filepath.Join(t.TempDir(), "engine.sock"), "sh", "-c", `trap "echo caught; exit 5" $0; echo ready; while :; do sleep 0.05; done`, name)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // without a terminal
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		hangUp := time.AfterFunc(20*time.Second, func() { cmd.Process.Signal(syscall.SIGTERM) })
		defer hangUp.Stop()
		lines := bufio.NewReader(out)
		if line, err := lines.ReadString('\n'); line != "ready\n" {
			t.Fatalf("got %q (%v), want ready", line, err)
		}
		if err := cmd.Process.Signal(unix.SignalNum("SIG" + name)); err != nil {
			t.Fatal(err)
		}
		if line, err := lines.ReadString('\n'); line != "caught\n" {
			t.Errorf("%s: got %q (%v), want caught", name, line, err)
		}
		if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 5 {
			t.Errorf("%s: exit code: got %d, want 5", name, cmd.ProcessState.ExitCode())
		}
	}
}

func TestACommandThatCtrlCEndsHasItsExitCode(t *testing.T) {
	p := inTerminal(t, `trap : INT; safesock exec --upstream $ENGINE -- sh -c 'trap - INT; echo ready; exec sleep 60'; echo code $?`)
	p.shows("ready", 1)
	p.types("\x03")
	if got := p.ends(); !strings.Contains(got, "code 130\r\n") {
		t.Errorf("the exit code is not 130:\n%s", got)
	}
}

func TestACommandIsStoppedAndGoesOnWithSafesock(t *testing.T) {
	p := inTerminal(t, `set -m; safesock exec --upstream $ENGINE -- sh -c 'echo ready; while read line; do echo got $line; done'; echo stopped $?; fg; echo code $?`)
	p.shows("ready", 1)
	p.types("one\n")
	p.shows("got one", 1)
	p.types("\x1a")
	p.shows("stopped", 1)
	p.types("two\n")
	p.shows("got two", 1)
	p.types("\x04")
	if got := p.ends(); !strings.Contains(got, "code 0\r\n") {
		t.Errorf("the command did not end with its input:\n%s", got)
	}
}

func TestACommandKeepsItsTerminal(t *testing.T) {
	p := inTerminal(t, `safesock exec --upstream $ENGINE -- sh -c 'test -t 0 && test -t 1 && test -t 2 && echo size $(stty size)'`)
	if got := p.ends(); !strings.Contains(got, "size 24 80\r\n") {
		t.Errorf("it has no terminal of 24 by 80:\n%s", got)
	}
}

func TestTheLogIsWrappedAndColouredOnATerminal(t *testing.T) {
	const record = `{"time":"2026-11-20T14:30:01Z","record":"call","id":"A","endpoint":"container.create","method":"POST","path":"/containers/create","client":{"uid":0,"user":"ann","gid":0,"pid":7},"container":{"name":"web"},"claims":[{"kind":"port","claim":{"container":80,"protocol":"tcp","host":"80","ip":"","bindable":true},"pointer":"/a","before":1,"after":{"HostIp":"127.0.0.1"},"action":"bind","rule":"port \"a\", p.hcl:1"}]}` + "\n"
	file := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(file, []byte(record), 0o600); err != nil {
		t.Fatal(err)
	}
	const head = "2026-11-20 14:30:01  ann       container.create    web                "
	for _, test := range []struct{ setting, want string }{
		{"TERM=xterm", head + "\r\n    \x1b[36mport 80/tcp *:80 → 127.0.0.1:80 (port \"a\", p.hcl:1)\x1b[m\r\n"},
		{"NO_COLOR=1", head + "\r\n    port 80/tcp *:80 → 127.0.0.1:80 (port \"a\", p.hcl:1)\r\n"},
	} {
		p := inTerminal(t, "TZ=UTC "+test.setting+" safesock log "+file)
		if got := p.ends(); got != test.want {
			t.Errorf("%s:\n got %q\nwant %q", test.setting, got, test.want)
		}
	}
}
