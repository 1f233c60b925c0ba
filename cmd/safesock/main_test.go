package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// The scripts in testdata are terminal sessions. Besides safesock they have
//
//	engine SOCKET          a small fake Engine, in the background (&)
//	call SOCKET LINE BODY  a call to a socket; prints status and body
//	activate SOCKET ARGS   runs safesock with ARGS on a socket, as systemd does
//	unread PIPE FD ARGS    runs safesock with ARGS whose output FD, 1 or 2, goes
//	                       to a pipe that is closed or full, and not read
//	records FILE           prints how many lines are JSON, and those that are not
//	interrupts             prints each interrupt
//
// and the script commands
//
//	notified STATE         waits until a program reports this state to systemd
//	hangup NAME            sends SIGHUP to the background program NAME
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"safesock":   main,
		"engine":     fakeEngine,
		"call":       call,
		"activate":   activate,
		"unread":     unread,
		"records":    records,
		"interrupts": interrupts,
	})
}

// A shell's job in the background, or one under nohup, ignores some signals, and so
// would its children: a signal that is caught here is not ignored by them.
func heedSignals() {
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
}

func TestCommandsAsInATerminal(t *testing.T) {
	heedSignals()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Setup: func(env *testscript.Env) error {
			examples, err := filepath.Abs("../../examples")
			if err != nil {
				return err
			}
			for _, folder := range []string{"home", "run"} {
				if err := os.MkdirAll(filepath.Join(env.WorkDir, folder), 0o755); err != nil {
					return err
				}
			}
			env.Setenv("EXAMPLES", examples)
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("XDG_CONFIG_HOME", "")
			env.Setenv("XDG_STATE_HOME", "")
			env.Setenv("XDG_RUNTIME_DIR", filepath.Join(env.WorkDir, "run"))
			env.Setenv("DOCKER_HOST", "")
			// A folder of its own: the path of a socket has to be short.
			dir, err := os.MkdirTemp("", "safesock")
			if err != nil {
				return err
			}
			env.Defer(func() { os.RemoveAll(dir) })
			env.Setenv("SOCKETS", dir)
			env.Setenv("NOTIFY_SOCKET", filepath.Join(dir, "notify"))
			systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
			if err != nil {
				return err
			}
			env.Defer(func() { systemd.Close() })
			env.Values[systemdKey{}] = systemd
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "root" {
				return false, fmt.Errorf("no condition %q", name)
			}
			return os.Getuid() == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"notified": notified,
			"hangup":   hangup,
		},
	})
}

// systemdKey is the key of the socket that a script has in place of systemd's.
type systemdKey struct{}

// notified waits for a message to systemd.
func notified(ts *testscript.TestScript, neg bool, args []string) {
	systemd := ts.Value(systemdKey{}).(*net.UnixConn)
	message := make([]byte, 4096)
	for {
		n, err := systemd.Read(message)
		ts.Check(err)
		if slices.Contains(strings.Split(string(message[:n]), "\n"), args[0]) {
			return
		}
	}
}

// hangup sends SIGHUP to a program in the background.
func hangup(ts *testscript.TestScript, neg bool, args []string) {
	for _, cmd := range ts.BackgroundCmds() {
		if filepath.Base(cmd.Path) == args[0] {
			ts.Check(cmd.Process.Signal(syscall.SIGHUP))
		}
	}
}

// fakeEngine answers every call on a Unix socket, until it is interrupted.
func fakeEngine() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if _, err := daemon.SdNotify(false, "ENGINE=1"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	context.AfterFunc(ctx, func() { listener.Close() })
	err = http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/_ping":
			fmt.Fprint(w, "OK")
		case r.URL.Path == "/version":
			fmt.Fprint(w, `{"Version":"28.5.2","ApiVersion":"1.51","Components":[]}`)
		case r.URL.Path == "/events":
			_ = http.NewResponseController(w).Flush()
			if _, err := daemon.SdNotify(false, "EVENTS=1"); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
			<-r.Context().Done()
		case strings.HasSuffix(r.URL.Path, "/containers/create"):
			fmt.Fprintf(os.Stdout, "%s\n", body)
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"Id":"0123456789ab","Warnings":[]}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"message":"no such thing"}`)
		}
	}))
	if ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// call makes one call and prints the answer.
func call() {
	conn, err := net.Dial("unix", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	method, target, _ := strings.Cut(os.Args[2], " ")
	body := strings.Join(os.Args[3:], " ")
	request, err := http.NewRequest(method, "http://docker"+target, strings.NewReader(body))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var head bytes.Buffer
	if err := request.Write(&head); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if _, err := conn.Write(head.Bytes()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	text, _ := io.ReadAll(answer.Body)
	fmt.Printf("%d %s\n", answer.StatusCode, bytes.TrimSpace(text))
}

// activate becomes a safesock that inherits a listening socket.
func activate() {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: os.Args[1], Net: "unix"})
	if err == nil {
		err = passOn(listener)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func passOn(listener *net.UnixListener) error {
	file, err := listener.File()
	if err != nil {
		return err
	}
	const first = 3 // the file descriptor where systemd's sockets begin
	if err := unix.Dup2(int(file.Fd()), first); err != nil {
		return err
	}
	return become(os.Args[2:], "LISTEN_FDS=1", fmt.Sprintf("LISTEN_PID=%d", os.Getpid()))
}

// become replaces this process by safesock.
func become(args []string, environment ...string) error {
	program, err := exec.LookPath("safesock")
	if err != nil {
		return err
	}
	return syscall.Exec(program, append([]string{"safesock"}, args...), append(os.Environ(), environment...))
}

// unread replaces itself by a safesock one of whose outputs nobody reads.
func unread() {
	fmt.Fprintln(os.Stderr, intoPipe(os.Args[1], os.Args[2]))
	os.Exit(1)
}

func intoPipe(state, output string) error {
	fd, err := strconv.Atoi(output)
	if err != nil {
		return err
	}
	var pipe [2]int // which safesock inherits
	if err := unix.Pipe(pipe[:]); err != nil {
		return err
	}
	if err := unix.Dup2(pipe[1], fd); err != nil {
		return err
	}
	switch state {
	case "closed":
		err = unix.Close(pipe[0])
	case "full":
		err = fill(fd)
	default:
		err = fmt.Errorf("no state %q", state)
	}
	if err != nil {
		return err
	}
	return become(os.Args[3:])
}

// fill writes empty lines to a pipe, until it takes no more.
func fill(fd int) error {
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	lines := bytes.Repeat([]byte("\n"), 512) // less than PIPE_BUF: they are taken whole
	for {
		switch _, err := unix.Write(fd, lines); err {
		case nil:
		case unix.EAGAIN:
			return unix.SetNonblock(fd, false)
		default:
			return err
		}
	}
}

// records reads an audit log.
func records() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	n := 0
	for line := range bytes.Lines(text) {
		if !json.Valid(line) || !bytes.HasSuffix(line, []byte("}\n")) {
			fmt.Printf("no record: %q\n", line)
			continue
		}
		n++
	}
	fmt.Printf("%d records\n", n)
}
