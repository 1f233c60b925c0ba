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
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/safesock/safesock"
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
	stderr   *console
	given    func(flag string) bool // whether the command line has it
}

func newServe() *cobra.Command {
	s := serve{mode: 0o660, stderr: newConsole()}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Guard the Engine's socket",
		Long: `Listens on a Unix socket of its own and forwards every call to the Engine, as
the policy allows. Clients use it through DOCKER_HOST; the line to paste is
printed at start.

` + upstreamHelp + `

` + policyHelp + `

SIGHUP reads the policy again and opens the audit log again. A policy with
mistakes, or that was emptied, or that came through a pipe, is reported, and the
one in force stays. An audit log that was moved or removed is opened again
without a signal; while that cannot be done, calls that need a record are
refused. SIGTERM and SIGINT stop listening and let open calls end,
for the time of --drain; a second one ends them at once. systemd's socket
activation and readiness messages are understood.`,
		Example: `  safesock serve
  safesock serve --policy team.hcl --policy /etc/safesock/policies
  safesock serve --upstream unix:///run/podman/podman.sock --group developers
  safesock serve --audit - | safesock log -`,
		Args: noArgs("name a policy with --policy"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s.given = cmd.Flags().Changed
			return s.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.server.Listen, "listen", "", "`path` of safesock's socket, or unix://PATH (default /run/safesock/docker.sock as root, $XDG_RUNTIME_DIR/safesock/docker.sock otherwise)")
	f.StringVar(&s.upstream, "upstream", "", "the Engine's socket, `unix://PATH`")
	s.policies.flag(f)
	f.StringVar(&s.audit, "audit", "", "`file` for one JSON line per intercepted call, \"-\" for standard output, \"none\" (default /var/log/safesock/audit.log as root, ~/.local/state/safesock/audit.log otherwise)")
	f.Var(&s.mode, "mode", "permissions of safesock's socket")
	f.StringVar(&s.group, "group", "", "`name` of the group of safesock's socket (default that of the Engine's socket, as root)")
	f.Int64Var(&s.server.BodyLimit, "body-limit", 16<<20, "largest body of an intercepted call, in `bytes`")
	f.DurationVar(&s.server.Drain, "drain", 10*time.Second, "how long open calls may take when safesock is stopped; 0 ends them at once")
	f.BoolVar(&s.debug, "debug", false, "log refused calls and broken connections, too; the audit log has every intercepted call")
	return cmd
}

func (s *serve) run(ctx context.Context) error {
	if n := s.server.BodyLimit; n < 1 {
		return fmt.Errorf("--body-limit %d: no call fits into that; give a number of bytes, as in --body-limit %d", n, 16<<20)
	}
	if d := s.server.Drain; d < 0 {
		return fmt.Errorf("--drain %s: a time cannot be negative; 0 ends open calls at once", d)
	}
	level := slog.LevelInfo
	if s.debug {
		level = slog.LevelDebug
	}
	s.server.Log = slog.New(slog.NewTextHandler(s.stderr, &slog.HandlerOptions{Level: level}))

	// A write to a pipe without a reader, or beyond a file's size limit, is an
	// error. It does not end the process.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGXFSZ)
	loaded, err := s.policies.load() // may wait for a pipe, so a signal still ends the process
	if err != nil {
		return err
	}
	s.warn(loaded)
	s.server.SetPolicy(loaded)

	// From here on a signal is answered, not died of.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	defer stop()

	listener, err := s.listen()
	if err != nil {
		return err
	}
	defer listener.Close()
	if s.server.Audit, s.audit, err = openAudit(s.audit); err != nil {
		return err
	}
	if s.server.Audit != nil {
		s.server.Audit.Log = s.server.Log
	}

	level, state := s.engineState()
	if loaded.Observe() && level == slog.LevelInfo {
		state = "observing the Engine"
	}
	s.server.Log.Log(ctx, level, state, "upstream", s.server.Upstream, "source", s.source, "listen", s.server.Listen, "policy", s.policies.names, "audit", s.audit, "version", version())
	fmt.Fprintf(s.stderr, "export DOCKER_HOST=unix://%s\n", s.server.Listen)
	s.notify(daemon.SdNotifyReady)

	// What reading flags and policies left behind would stay for the life of
	// the process: an idle proxy collects no garbage. A busy one, whose heap is
	// a few MiB, would do little else at Go's usual percentage.
	debug.FreeOSMemory()
	debug.SetGCPercent(400)
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.server.Serve(ctx, listener) })
	g.Go(func() error { s.announceEnd(ctx, stop); return nil })
	g.Go(func() error { s.lookAround(ctx); return nil })
	go s.heedHangups(ctx, hangup) // nothing waits for it: its files may be on a disk that hangs
	return g.Wait()
}

// lookAround logs what safesock does not see of the Engine's host. If the Engine
// is not up yet, the first call that has to know asks again.
func (s *serve) lookAround(ctx context.Context) {
	if _, err := s.server.LookAround(ctx); err != nil {
		s.server.Log.Debug("the Engine cannot be asked about its host yet", "error", err)
	}
}

// memoryLimit is from how many bytes on Go collects garbage whatever the
// percentage. What calls take at a time is bounded, and fits.
const memoryLimit = 160 << 20

// engineState describes whether the Engine's socket can be used.
func (s *serve) engineState() (slog.Level, string) {
	_, err := os.Stat(s.server.Upstream)
	switch {
	case usable(s.server.Upstream):
		return slog.LevelInfo, "guarding the Engine"
	case errors.Is(err, fs.ErrNotExist):
		return slog.LevelWarn, "waiting for the Engine; calls are answered 502 until it is there"
	}
	return slog.LevelWarn, "the Engine's socket cannot be opened; calls are answered 502 until it can"
}

// announceEnd waits until the context is done, and says that safesock stops. By then
// stop has been called, so that another signal ends the process.
func (s *serve) announceEnd(ctx context.Context, stop func()) {
	<-ctx.Done()
	stop()
	s.server.Log.Info("stopping, once open calls have ended; again to end now", "drain", s.server.Drain)
	s.notify(daemon.SdNotifyStopping)
}

// heedHangups reloads on each hangup until the context is done.
func (s *serve) heedHangups(ctx context.Context, hangup <-chan os.Signal) {
	for {
		select {
		case <-hangup:
			s.notify(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
			s.reload()
			s.notify(daemon.SdNotifyReady)
		case <-ctx.Done():
			return
		}
	}
}

// reload puts the policy in force that its files hold now, and opens the audit
// log anew. What fails is told, and leaves what there was.
func (s *serve) reload() {
	before := s.policies.names
	if loaded, err := s.policies.load(); err != nil {
		s.server.Log.Error("the policy was not reloaded; the one in force stays")
		fmt.Fprintln(s.stderr, err)
	} else {
		s.warn(loaded)
		s.server.SetPolicy(loaded)
		if builtin := []string{safesock.Policy.Name}; slices.Equal(s.policies.names, builtin) && !slices.Equal(before, builtin) {
			s.server.Log.Warn("policy reloaded: its files are gone, and the built-in policy alone is in force", "policy", s.policies.names, "before", before)
		} else {
			s.server.Log.Info("policy reloaded", "policy", s.policies.names)
		}
	}
	if s.server.Audit == nil {
		return
	}
	if err := s.server.Audit.Reopen(); err != nil {
		s.server.Log.Error("the audit log was not opened anew; the old one stays in use", "error", err)
	} else {
		s.server.Log.Info("audit log opened anew", "audit", s.audit)
	}
}

// warn prints the warnings about a policy.
func (s *serve) warn(loaded *policy.Policy) {
	if loaded.Observe() {
		s.server.Log.Warn("the policy only observes: it reports what it would do, and changes and refuses nothing")
	}
	if warnings := loaded.Warnings(time.Now()); len(warnings.List) > 0 {
		fmt.Fprintln(s.stderr, warnings)
	}
}

// notify reports a state to systemd, if systemd asked for it.
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
	if scheme, path, found := strings.Cut(s.server.Listen, "://"); found {
		if scheme != "unix" || !filepath.IsAbs(path) {
			return nil, fmt.Errorf("--listen %s: safesock listens on a Unix socket only, as in --listen unix:///run/safesock/docker.sock", s.server.Listen)
		}
		s.server.Listen = path
	}
	inherited, inheritErr := inherit()
	switch {
	case inheritErr != nil:
		return nil, inheritErr
	case inherited != nil:
		if err := s.leaveToSystemd(inherited.Addr().String()); err != nil {
			return nil, err
		}
		s.server.Listen = inherited.Addr().String()
	case s.server.Listen == "":
		return nil, err
	}
	if s.server.Listen, err = filepath.Abs(s.server.Listen); err != nil {
		return nil, err
	}
	if err := fitsSocket(s.server.Listen); err != nil {
		return nil, fmt.Errorf("--listen %s: %w", s.server.Listen, err)
	}

	found, err := findEngine(s.upstream, os.Getenv("DOCKER_HOST"), usualEngines(), s.server.Listen, usual)
	if err != nil {
		return nil, err
	}
	if err := fitsSocket(found.path); err != nil {
		return nil, fmt.Errorf("the Engine's socket %s (%s): %w", found.path, found.source, err)
	}
	s.server.Upstream, s.source = found.path, found.source
	if inherited != nil {
		return inherited, nil
	}
	if s.group == "" && os.Getuid() == 0 {
		s.group = groupOf(s.server.Upstream)
	}
	listener, err := proxy.Listen(s.server.Listen, fs.FileMode(s.mode), s.group)
	var unknown user.UnknownGroupError
	if errors.As(err, &unknown) {
		return nil, fmt.Errorf("--group %s: there is no such group on this machine", s.group)
	}
	return listener, err
}

// fitsSocket returns an error if a path is too long for a socket: the kernel has
// room for its bytes and a zero in sockaddr_un.
func fitsSocket(path string) error {
	if longest := len(syscall.RawSockaddrUnix{}.Path) - 1; len(path) > longest {
		return fmt.Errorf("the path has %d bytes, and that of a socket at most %d; choose a shorter one", len(path), longest)
	}
	return nil
}

// leaveToSystemd refuses the flags about a socket that systemd made.
func (s *serve) leaveToSystemd(path string) error {
	for _, flag := range []struct{ name, value, setting string }{
		{"listen", s.server.Listen, "ListenStream"},
		{"group", s.group, "SocketGroup"},
		{"mode", s.mode.String(), "SocketMode"},
	} {
		if s.given(flag.name) && flag.value != path {
			return fmt.Errorf("--%s %s: systemd made the socket %s; set %s= in its socket unit instead", flag.name, flag.value, path, flag.setting)
		}
	}
	return nil
}

// systemSocket is where safesock listens as root when no path is named.
const systemSocket = "/run/safesock/docker.sock"

// usualListen is the path to listen on when none is named.
func usualListen() (string, error) {
	if os.Getuid() == 0 {
		return systemSocket, nil
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "safesock", "docker.sock"), nil
	}
	return "", errors.New("$XDG_RUNTIME_DIR is not set: name a socket with --listen PATH")
}

// inherit returns the socket that systemd opened for safesock, or nil.
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

// groupOf is the number of a file's group, so that who may use the Engine may
// use safesock; "", which leaves the socket to its maker's group, if that is
// not known.
func groupOf(path string) string {
	stat, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return strconv.FormatUint(uint64(stat.Sys().(*syscall.Stat_t).Gid), 10)
}
