package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/safesock/safesock/clients"
	"github.com/safesock/safesock/proxy"
)

// guarded is the command that runs another command behind a safesock of its own.
type guarded struct {
	server   proxy.Server
	policies policies
	upstream string
	audit    string
	summary  string
	strict   bool
	debug    bool

	stderr io.Writer
	tally  tally
}

func newExec() *cobra.Command {
	g := guarded{}
	cmd := &cobra.Command{
		Use:   "exec [--] COMMAND [ARGS...]",
		Short: "Run a command behind a safesock of its own",
		Long: `Runs a command with DOCKER_HOST and CONTAINER_HOST at a socket that is made for
it, in a folder that only you can enter and that is removed afterwards. No
safesock serve is needed. When the command has ended, what was changed, warned
about and refused is told on standard error.

The command keeps the terminal, gets the signals that safesock gets, and its
exit code is that of safesock: 128 and the number of a signal that ended it, 127
if there is no such command, 126 if it cannot be run. A mistake in the policy is
told before the command runs, with exit code 2. The variables DOCKER_CONTEXT,
DOCKER_TLS, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH and CONTAINER_CONNECTION, which
could lead to another Engine, are taken out of its environment.

Whoever can open the Engine's own socket can go around safesock, and so can the
command; safesock says so if you can. --strict does not run the command then.

Once the command has ended, a container that it left behind finds nobody at the
socket that was put in the place of the Engine's. Use safesock serve for
containers that have to reach the Engine for longer.

` + upstreamHelp + ` If none
of them may be used, it is the socket of safesock serve.

` + policyHelp,
		Example: `  safesock exec docker compose up
  safesock exec --policy ci.hcl --set workspace=$PWD --strict -- make test
  safesock exec --summary ports.json -- go test ./...
  safesock exec bash`,
		RunE: func(cmd *cobra.Command, args []string) error {
			g.stderr = cmd.ErrOrStderr()
			return g.run(cmd.Context(), args)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // the options of the command are its own
	f.StringVar(&g.upstream, "upstream", "", "the Engine's socket, `unix://PATH`")
	g.policies.flag(f)
	f.StringVar(&g.audit, "audit", "", "`file` for one JSON line per intercepted call (default none is kept)")
	f.StringVar(&g.summary, "summary", "", "`file` for what was changed, warned about and refused, as JSON")
	f.BoolVar(&g.strict, "strict", false, "do not run the command if you can open the Engine's own socket; exit with 2")
	f.BoolVar(&g.debug, "debug", false, "log refused calls and broken connections, too")
	return cmd
}

// exitCode is the error of a command that ran another, which ended with this code.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

func (g *guarded) run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("name a command to run, as in safesock exec docker compose up")
	}
	if err := namesEngine(args); err != nil {
		return err
	}
	command := exec.Command(args[0], args[1:]...)
	if command.Err != nil && !errors.Is(command.Err, exec.ErrDot) {
		return g.notRun(args[0], command.Err)
	}
	command.Err = nil
	loaded, err := g.policies.load()
	if err != nil {
		return err
	}
	g.server.SetPolicy(loaded)
	if warnings := loaded.Warnings(time.Now()); len(warnings.List) > 0 {
		fmt.Fprintln(g.stderr, warnings)
	}
	// From here on a signal is the command's. An ignored one would be ignored by the
	// command, too, so that these are caught.
	signals := make(chan os.Signal, 16)
	catch(signals)
	if g.audit == "" || g.audit == "none" {
		g.audit = os.DevNull // for the tally, which counts what is written
	}
	if g.server.Audit, _, err = openAudit(g.audit); err != nil {
		return err
	}
	var summary *os.File
	if g.summary != "" {
		if summary, err = os.Create(g.summary); err != nil {
			return fmt.Errorf("--summary: %w", err)
		}
		defer summary.Close()
	}
	if g.server.Listen, err = privateSocket(); err != nil {
		return err
	}
	defer os.RemoveAll(filepath.Dir(g.server.Listen))
	found, around, err := g.findEngine()
	if err != nil {
		return err
	}
	g.server.Upstream = found.path
	if context := os.Getenv("DOCKER_CONTEXT"); context != "" && found.source != "--upstream" && found.source != "DOCKER_HOST" {
		fmt.Fprintf(g.stderr, "safesock: DOCKER_CONTEXT=%s is left out; the Engine is %s, and --upstream names another\n", context, found.path)
	}
	if len(around) > 0 {
		paths := strings.Join(around, " and ")
		if g.strict {
			return fmt.Errorf("--strict: you can open %s yourself, so that the command could go around safesock; it was not run", paths)
		}
		fmt.Fprintf(g.stderr, "safesock: you can open %s yourself, so that the command can go around safesock if it does not use DOCKER_HOST\n", paths)
	}
	group := ""
	if os.Getuid() == 0 {
		group = groupOf(found.path)
	}
	listener, err := proxy.Listen(g.server.Listen, 0o660, group)
	if err != nil {
		return err
	}
	level := slog.LevelError // what calls are warned about stands in the summary, and in the command's own output if it shows that
	if g.debug {
		level = slog.LevelDebug
	}
	g.server.Log = slog.New(slog.NewTextHandler(newConsole(), &slog.HandlerOptions{Level: level}))
	g.server.Audit.Log = g.server.Log
	g.server.Audit.Seen = g.tally.add
	g.server.Drain = 2 * time.Second // for what the command left running in the background

	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- g.server.Serve(serving, listener) }()
	command.Env = environment(os.Environ(), g.server.Listen)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	code, err := runCommand(command, signals)
	stop()
	serveErr := <-served
	if err != nil {
		return g.notRun(args[0], err)
	}
	told := g.tally.summary()
	told.Command, told.Exit, told.Policy, told.Engine, told.Around = args[0], code, g.policies.names, found.path, around
	err = errors.Join(g.tell(told, summary), serveErr)
	if code == 0 {
		return err
	}
	if err != nil {
		fmt.Fprintf(g.stderr, "safesock: %v\n", err)
	}
	return exitCode(code)
}

// tell prints a summary, and writes it to where it was asked for. The file is nil
// if it was not.
func (g *guarded) tell(told runSummary, file *os.File) error {
	show := told.print
	if os.Getenv("GITHUB_ACTIONS") == "true" {
		show = told.github
	}
	err := show(g.stderr)
	if file == nil {
		return err
	}
	if fileErr := errors.Join(writeJSON(file, told), file.Close()); fileErr != nil {
		err = errors.Join(err, fmt.Errorf("--summary: %w", fileErr))
	}
	return err
}

// notRun says why a command was not run, and returns the exit code that shells
// give it.
func (g *guarded) notRun(name string, err error) error {
	var problem *exec.Error
	if errors.As(err, &problem) {
		err = problem.Err
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	fmt.Fprintf(g.stderr, "safesock: %s: %v\n", name, err)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return exitCode(127)
	}
	return exitCode(126)
}

// namesEngine refuses a command line that would not use DOCKER_HOST.
func namesEngine(args []string) error {
	line, err := clients.ParseLine(args)
	if err != nil || line == nil {
		return nil // no client's line, or one that the client itself explains
	}
	switch option := line.NamesEngine(); {
	case option != "":
		return fmt.Errorf("%s names an Engine itself, which goes around safesock; leave it out, and name the Engine with safesock exec --upstream", option)
	case filepath.Base(args[0]) == "sudo":
		return fmt.Errorf("sudo drops DOCKER_HOST, so that %s would go around safesock; run sudo safesock exec instead", line.Client)
	case line.Client == "nerdctl":
		return errors.New("nerdctl starts containers without calling the Engine's socket, which goes around safesock; use docker")
	}
	return nil
}

// findEngine finds the Engine, and those sockets of Engines that may be opened
// without safesock.
func (g *guarded) findEngine() (found engine, around []string, err error) {
	served, usual := servedSockets(), usualEngines()
	found, err = findEngine(g.upstream, os.Getenv("DOCKER_HOST"), append(usual, served...), g.server.Listen)
	if err != nil {
		return engine{}, nil, err
	}
	if err := fitsSocket(found.path); err != nil {
		return engine{}, nil, fmt.Errorf("the Engine's socket %s (%s): %w", found.path, found.source, err)
	}
	if !usable(found.path) {
		_, err := os.Stat(found.path)
		why := "you may not open it"
		if errors.Is(err, fs.ErrNotExist) {
			why = "it is not there"
		}
		fmt.Fprintf(g.stderr, "safesock: the Engine's socket %s cannot be used: %s; until it can, calls are answered 502\n", found.path, why)
	}
	for _, path := range append([]string{found.path}, usual...) {
		if usable(path) && !sameAsAny(path, served) && !sameAsAny(path, around) {
			around = append(around, path)
		}
	}
	return found, around, nil
}

// privateSocket returns the path for a socket in a folder that it makes. Only the
// folder's owner can enter it. The Engine finds it under the same path.
func privateSocket() (string, error) {
	places := []string{os.Getenv("XDG_RUNTIME_DIR"), os.TempDir()}
	if os.Getuid() == 0 {
		places = []string{"/run", os.TempDir()}
	}
	var errs []error
	for _, place := range places {
		if place == "" {
			continue
		}
		dir, err := os.MkdirTemp(place, "safesock-exec-")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		path := filepath.Join(dir, "docker.sock")
		if err := fitsSocket(path); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err), os.Remove(dir))
			continue
		}
		return path, nil
	}
	return "", errors.Join(errs...)
}

// environment returns variables that lead Docker's and Podman's clients to a
// socket.
func environment(env []string, socket string) []string {
	leads := []string{
		"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH",
		"CONTAINER_HOST", "CONTAINER_CONNECTION", "CONTAINER_SSHKEY",
	}
	env = slices.DeleteFunc(slices.Clone(env), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains(leads, name)
	})
	return append(env, "DOCKER_HOST=unix://"+socket, "CONTAINER_HOST=unix://"+socket)
}

// forwarded are the signals that the command gets if safesock gets them.
var forwarded = []os.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2,
}

// catch sends the signals that would end the process to a channel. What is ignored
// already, as under nohup, stays so, also for the command.
func catch(signals chan os.Signal) {
	for _, each := range append(slices.Clone(forwarded), syscall.SIGPIPE, syscall.SIGXFSZ) {
		if !signal.Ignored(each) {
			signal.Notify(signals, each)
		}
	}
}

// runCommand runs a command to its end, and returns its exit code as shells have it.
func runCommand(command *exec.Cmd, signals <-chan os.Signal) (int, error) {
	if err := command.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	go forward(command.Process, signals, ended)
	err := command.Wait()
	close(ended)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	if status := command.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return command.ProcessState.ExitCode(), nil
}

// forward sends a process the signals that safesock gets, until the process has ended.
func forward(process *os.Process, signals <-chan os.Signal, ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case got := <-signals:
			byTerminal := (got == syscall.SIGINT || got == syscall.SIGQUIT) && inForeground()
			if slices.Contains(forwarded, got) && !byTerminal {
				_ = process.Signal(got) // fails if the process has just ended
			}
		}
	}
}

// inForeground reports whether the terminal sends Ctrl-C to this process. It then
// sends it to the command as well, which is in the same process group.
func inForeground() bool {
	terminal, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer terminal.Close()
	group, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
