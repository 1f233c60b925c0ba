package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/proxy"
)

// serve is the command that guards an Engine.
type serve struct {
	server   proxy.Server
	policies policies
	upstream string
	source   string // what named the Engine's socket
	audit    string
	mode     socketMode
	group    string
	debug    bool
}

func newServe() *cobra.Command {
	s := serve{mode: 0o660}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Guard the Engine's socket",
		Long: `Listens on a Unix socket of its own and forwards every call to the Engine, as
the policy allows. Clients use it through DOCKER_HOST; the line to paste is
printed at start.

` + upstreamHelp + `

` + policyHelp + `

SIGHUP reads the policy again and opens the audit log again, after it was
rotated away. A policy with mistakes is reported, and the one in force stays.
SIGTERM and SIGINT stop listening and let open calls end, for the time of
--drain. systemd's socket activation and readiness messages are understood.`,
		Example: `  safesock serve
  safesock serve --policy team.hcl --policy /etc/safesock/policies
  safesock serve --upstream unix:///run/podman/podman.sock --group developers
  safesock serve --audit - | jq .`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return s.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&s.server.Listen, "listen", "", "`path` of safesock's socket (default /run/safesock/docker.sock as root, $XDG_RUNTIME_DIR/safesock/docker.sock otherwise)")
	f.StringVar(&s.upstream, "upstream", "", "the Engine's socket, `unix://PATH`")
	s.policies.flag(f)
	f.StringVar(&s.audit, "audit", "", "`file` for one JSON line per intercepted call, \"-\" for standard output, \"none\" (default /var/log/safesock/audit.log as root, ~/.local/state/safesock/audit.log otherwise)")
	f.Var(&s.mode, "mode", "permissions of safesock's socket")
	f.StringVar(&s.group, "group", "", "`name` of the group of safesock's socket (default that of the Engine's socket, as root)")
	f.Int64Var(&s.server.BodyLimit, "body-limit", 16<<20, "largest body of an intercepted call, in `bytes`")
	f.DurationVar(&s.server.Drain, "drain", 10*time.Second, "how long open calls may take when safesock is stopped")
	f.BoolVar(&s.debug, "debug", false, "log every call")
	return cmd
}

func (s *serve) run(ctx context.Context) error {
	// From here on a signal is answered, not died of.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	level := slog.LevelInfo
	if s.debug {
		level = slog.LevelDebug
	}
	s.server.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))

	loaded, err := s.policies.load()
	if err != nil {
		return err
	}
	s.warn(loaded)
	s.server.SetPolicy(loaded)

	listener, err := s.listen()
	if err != nil {
		return err
	}
	defer listener.Close()
	if s.server.Audit, err = s.openAudit(); err != nil {
		return err
	}

	s.server.Log.Info("guarding the Engine", "upstream", s.server.Upstream, "source", s.source, "listen", s.server.Listen, "policy", append(s.policies.places(), "built-in"), "audit", s.audit, "version", version())
	fmt.Fprintf(os.Stderr, "export DOCKER_HOST=unix://%s\n", s.server.Listen)
	s.notify(daemon.SdNotifyReady)

	// What reading flags and policies left behind would stay for the life of
	// the process: an idle proxy collects no garbage. A busy one, whose heap is
	// a few MiB, would do little else at Go's usual percentage.
	debug.FreeOSMemory()
	debug.SetGCPercent(400)

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.server.Serve(ctx, listener) })
	g.Go(func() error { s.heedSignals(ctx, hangup, stop); return nil })
	return g.Wait()
}

// heedSignals reloads on each hangup until the context is done. From then on
// a second signal ends the process at once.
func (s *serve) heedSignals(ctx context.Context, hangup <-chan os.Signal, stop func()) {
	for {
		select {
		case <-hangup:
			s.notify(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
			s.reload()
			s.notify(daemon.SdNotifyReady)
		case <-ctx.Done():
			s.server.Log.Info("stopping", "drain", s.server.Drain)
			s.notify(daemon.SdNotifyStopping)
			stop()
			return
		}
	}
}

// reload puts the policy in force that its files hold now, and opens the audit
// log anew. What fails is told, and leaves what there was.
func (s *serve) reload() {
	if loaded, err := s.policies.load(); err != nil {
		s.server.Log.Error("the policy was not reloaded; the one in force stays")
		fmt.Fprintln(os.Stderr, err)
	} else {
		s.warn(loaded)
		s.server.SetPolicy(loaded)
		s.server.Log.Info("policy reloaded")
	}
	if s.server.Audit == nil {
		return
	}
	if err := s.server.Audit.Reopen(); err != nil {
		s.server.Log.Error("the audit log was not opened anew; the old one stays in use", "error", err)
	}
}

// warn tells what is odd about a policy.
func (s *serve) warn(loaded *policy.Policy) {
	if warnings := loaded.Warnings(time.Now()); len(warnings.List) > 0 {
		fmt.Fprintln(os.Stderr, warnings)
	}
}

// notify tells systemd, if it asked to be told.
func (s *serve) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.server.Log.Warn("systemd was not notified", "error", err)
	}
}

// listen finds the Engine and makes safesock's socket, or takes the one that
// systemd made.
func (s *serve) listen() (net.Listener, error) {
	usual, err := usualListen()
	if s.server.Listen == "" {
		s.server.Listen = usual
	}
	inherited, inheritErr := inherit()
	switch {
	case inheritErr != nil:
		return nil, inheritErr
	case inherited != nil:
		s.server.Listen = inherited.Addr().String()
	case s.server.Listen == "":
		return nil, err
	}
	if s.server.Listen, err = filepath.Abs(s.server.Listen); err != nil {
		return nil, err
	}

	found, err := findEngine(s.upstream, os.Getenv("DOCKER_HOST"), usualEngines(), s.server.Listen, usual)
	if err != nil {
		return nil, err
	}
	s.server.Upstream, s.source = found.path, found.source
	if inherited != nil {
		return inherited, nil
	}
	if s.group == "" && os.Getuid() == 0 {
		s.group = groupOf(s.server.Upstream)
	}
	return proxy.Listen(s.server.Listen, fs.FileMode(s.mode), s.group)
}

// usualListen is the path to listen on when none is named.
func usualListen() (string, error) {
	if os.Getuid() == 0 {
		return "/run/safesock/docker.sock", nil
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "safesock", "docker.sock"), nil
	}
	return "", errors.New("$XDG_RUNTIME_DIR is not set: name a socket with --listen PATH")
}

// inherit gives the socket that systemd listens on for safesock, nil if none.
func inherit() (net.Listener, error) {
	listeners, err := activation.Listeners()
	switch {
	case err != nil || len(listeners) == 0:
		return nil, err
	case len(listeners) > 1:
		return nil, fmt.Errorf("systemd passed %d sockets; safesock takes one", len(listeners))
	}
	if unix, ok := listeners[0].(*net.UnixListener); ok {
		return unix, nil
	}
	return nil, errors.New("systemd passed something that is not a Unix stream socket")
}

// groupOf names the group of a file, so that who may use the Engine may use
// safesock; "" if there is no such file.
func groupOf(path string) string {
	stat, err := os.Stat(path)
	if err != nil {
		return ""
	}
	gid := strconv.FormatUint(uint64(stat.Sys().(*syscall.Stat_t).Gid), 10)
	if group, err := user.LookupGroupId(gid); err == nil {
		return group.Name
	}
	return gid
}

// openAudit opens the audit log, in a folder that it makes if it is the usual
// one.
func (s *serve) openAudit() (*proxy.Audit, error) {
	switch s.audit {
	case "none":
		return nil, nil
	case "":
		dir := "/var/log/safesock"
		if os.Getuid() != 0 {
			state, err := stateDir()
			if err != nil {
				return nil, err
			}
			dir = filepath.Join(state, "safesock")
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		s.audit = filepath.Join(dir, "audit.log")
	}
	return proxy.OpenAudit(s.audit)
}

// stateDir is where a user's programs keep their logs.
func stateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("%w: name an audit log with --audit FILE", err)
	}
	return filepath.Join(home, ".local", "state"), nil
}

// socketMode is a flag for permissions, in octal.
type socketMode fs.FileMode

func (m *socketMode) String() string { return fmt.Sprintf("%04o", *m) }
func (m *socketMode) Type() string   { return "octal" }

func (m *socketMode) Set(text string) error {
	bits, err := strconv.ParseUint(text, 8, 32)
	if err != nil || bits > 0o777 {
		return errors.New("permissions are three octal digits, as in 0660")
	}
	*m = socketMode(bits)
	return nil
}
