//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/safesock/safesock/tests/e2e/lab"
)

// TestSessions runs the terminal sessions in testdata/sessions, each on a lab
// of its own for each engine. DOCKER_HOST is safesock's socket, with the
// built-in policy, unless the session says otherwise. On top of testscript's own commands there are
//
//	docker, compose1, compose2, buildx, node, python3, safesock, sh
//	                       run on the machine; exec NAME does too, with & if need be
//	serve [FLAG...]        starts safesock; the first word of a session that needs flags
//	log, audit             print what safesock has logged, and its audit log
//	end TERM|KILL          ends safesock with a signal
//	reload                 makes safesock read its policy again, and prints what it says of it
//	engine stop|start      ends or starts the Engine
//	listens [ADDR...]      holds if these, like 127.0.0.1:80/tcp, are all that listens on the machine; port * is any
//	reach neighbour|host ADDR   connects from there to the web program, and prints its answer
//	direct COMMAND...      runs a command with DOCKER_HOST being the Engine's own socket
//
// and the conditions docker, podman, podman-5, sctp, and engine:NAME. With
// SAFESOCK_E2E_DIRECT=1 in the environment safesock is left out: a session
// about forwarding that fails then too has found no fault of safesock's.
func TestSessions(t *testing.T) {
	t.Parallel()
	kinds, err := lab.Kinds()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		t.Run(kind.Name, func(t *testing.T) {
			work := filepath.Join(lab.Run, "sessions-"+kind.Name)
			if err := os.MkdirAll(work, 0o755); err != nil {
				t.Fatal(err)
			}
			testscript.Run(t, testscript.Params{
				Dir:                 "testdata/sessions",
				WorkdirRoot:         work,
				RequireUniqueNames:  true,
				RequireExplicitExec: false,
				UpdateScripts:       os.Getenv("SAFESOCK_E2E_UPDATE") != "",
				Setup:               func(env *testscript.Env) error { return setup(env, kind) },
				Cmds:                commands(),
				Condition:           func(cond string) (bool, error) { return holds(kind, cond) },
			})
		})
	}
}

// session is what a script's commands share.
type session struct {
	t        testing.TB
	lab      *lab.Lab
	safesock *lab.Safesock
}

func setup(env *testscript.Env, kind lab.Kind) error {
	t := env.T().(testing.TB)
	l := lab.New(t, kind)
	env.Values["session"] = &session{t: t, lab: l}
	env.Setenv("PATH", l.Tools(t)+":"+os.Getenv("PATH"))
	env.Setenv("HOME", "/root")
	env.Setenv("ENGINE", "unix://"+kind.Socket)
	env.Setenv("SAFESOCK", "unix://"+lab.SafesockSocket)
	env.Setenv("DOCKER_HOST", "unix://"+lab.SafesockSocket)
	return nil
}

func holds(kind lab.Kind, cond string) (bool, error) {
	switch {
	case cond == "docker":
		return !kind.Podman(), nil
	case cond == "podman":
		return kind.Podman(), nil
	case cond == "podman-5":
		return strings.HasPrefix(kind.Name, "podman-5."), nil
	case cond == "sctp":
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, syscall.IPPROTO_SCTP)
		if err == nil {
			syscall.Close(fd)
		}
		return err == nil, nil
	case strings.HasPrefix(cond, "engine:"):
		return kind.Name == strings.TrimPrefix(cond, "engine:"), nil
	}
	return false, fmt.Errorf("there is no condition %q", cond)
}

func commands() map[string]func(*testscript.TestScript, bool, []string) {
	cmds := map[string]func(*testscript.TestScript, bool, []string){
		"serve": serve, "log": log, "audit": audit, "end": end, "reload": reload,
		"engine": engine, "listens": listens, "reach": reach, "direct": direct,
	}
	for _, name := range lab.Clients() {
		cmds[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			run(ts, neg, append([]string{name}, args...))
		}
	}
	return cmds
}

// run executes a command of the machine, and holds it to succeed or to fail.
func run(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(args[0], args[1:]...)
	if neg && err == nil {
		ts.Fatalf("%s succeeded", strings.Join(args, " "))
	}
	if !neg && err != nil {
		ts.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
}

func serve(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value("session").(*session)
	if os.Getenv("SAFESOCK_E2E_DIRECT") != "" {
		ts.Setenv("DOCKER_HOST", ts.Getenv("ENGINE"))
		return
	}
	s.safesock = s.lab.Serve(s.t, args...)
}

func log(ts *testscript.TestScript, _ bool, _ []string) {
	s := ts.Value("session").(*session)
	fmt.Fprint(ts.Stdout(), s.safesock.Log(s.t))
}

func audit(ts *testscript.TestScript, _ bool, _ []string) {
	s := ts.Value("session").(*session)
	text, err := os.ReadFile(s.lab.Path(lab.AuditLog))
	ts.Check(err)
	ts.Stdout().Write(text)
}

func end(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value("session").(*session)
	switch strings.Join(args, " ") {
	case "TERM":
		s.safesock.Stop(s.t, syscall.SIGTERM)
	case "KILL":
		s.safesock.Stop(s.t, syscall.SIGKILL)
	default:
		ts.Fatalf("usage: end TERM|KILL")
	}
}

func reload(ts *testscript.TestScript, _ bool, _ []string) {
	s := ts.Value("session").(*session)
	fmt.Fprint(ts.Stdout(), s.safesock.Reload(s.t))
}

func engine(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value("session").(*session)
	switch strings.Join(args, " ") {
	case "stop":
		s.lab.StopEngine(s.t)
	case "start":
		s.lab.StartEngine(s.t)
	default:
		ts.Fatalf("usage: engine stop|start")
	}
}

var port = regexp.MustCompile(`:[0-9]+/`)

func listens(ts *testscript.TestScript, neg bool, want []string) {
	s := ts.Value("session").(*session)
	if neg {
		ts.Fatalf("say what listens")
	}
	slices.Sort(want)
	got := s.lab.Listening(s.t)
	for i, addr := range got {
		anyPort := port.ReplaceAllString(addr, ":*/")
		if !slices.Contains(want, addr) && slices.Contains(want, anyPort) {
			got[i] = anyPort
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		ts.Fatalf("listening:\n got %v\nwant %v", got, want)
	}
}

func reach(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value("session").(*session)
	if len(args) != 2 {
		ts.Fatalf("usage: reach neighbour|host ADDR")
	}
	ask := s.lab.Reach
	if args[0] == "host" {
		ask = s.lab.ReachLocally
	}
	if neg {
		if answer, err := ask(args[1]); err == nil {
			ts.Fatalf("the %s reaches %s: %q", args[0], args[1], answer)
		}
		return
	}
	lab.Until(s.t, "web answers at "+args[1], func() error {
		answer, err := ask(args[1])
		if err == nil {
			fmt.Fprintln(ts.Stdout(), answer)
		}
		return err
	})
}

func direct(ts *testscript.TestScript, neg bool, args []string) {
	host := ts.Getenv("DOCKER_HOST")
	ts.Setenv("DOCKER_HOST", ts.Getenv("ENGINE"))
	defer ts.Setenv("DOCKER_HOST", host)
	run(ts, neg, args)
}
