package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/safesock/safesock/auditlog"
	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/proxy"
)

// logs is the command that shows the audit log to people.
type logs struct {
	follow  bool
	since   sinceTime
	changed bool
	refused bool
	project string
	user    string
	json    bool

	page  page
	shown map[string]bool // ids of calls that were printed as JSON and have no answer yet
}

func newLog() *cobra.Command {
	l := logs{shown: map[string]bool{}}
	cmd := &cobra.Command{
		Use:   "log [FILE...]",
		Short: "Show the audit log",
		Long: `Prints a line for each call in the audit log: when it came and who made it, what
it was about, what it asked of the host, what was sent instead, and which rule
decided. An arrow stands between what was asked and what was sent.

Without FILE it reads the log that safesock serve writes without --audit:
/var/log/safesock/audit.log as root, ~/.local/state/safesock/audit.log
otherwise. The files to which a log was rotated (audit.log.1, audit.log.2.gz)
are read too, and all records are printed in order of time. "-" is standard
input.

Lines that are no records, such as one that was cut short, and records of a
later safesock are counted on standard error and left out. The answers of the
Engine are printed with --json only.`,
		Example: `  safesock log --since 1h
  safesock log -f --changed --refused
  safesock log --project shop --since 2026-11-01
  ssh host cat /var/log/safesock/audit.log | safesock log -`,
		RunE: func(cmd *cobra.Command, args []string) error { return l.run(cmd, args) },
	}
	f := cmd.Flags()
	f.BoolVarP(&l.follow, "follow", "f", false, "go on with what is added, also after the log is rotated")
	f.Var(&l.since, "since", "only calls since a `time`, as in 90m, 2d, 14:30, 2026-11-27 or 2026-11-27T14:30:00Z")
	f.BoolVar(&l.changed, "changed", false, "only calls that were changed, or would have been if the policy did not only observe")
	f.BoolVar(&l.refused, "refused", false, "only calls that were refused, or would have been; with --changed both")
	f.StringVar(&l.project, "project", "", "only calls about this Compose project, by its `name`")
	f.StringVar(&l.user, "user", "", "only calls of the user with this `name` or number")
	f.BoolVar(&l.json, "json", false, "print the records as they are, with the answers to the calls")
	return cmd
}

func (l *logs) run(cmd *cobra.Command, args []string) error {
	usual, err := usualAudit()
	if len(args) == 0 {
		if err != nil {
			return err
		}
		args = []string{usual}
	}
	var files []string
	for _, path := range args {
		if path == "-" {
			files = append(files, path)
			continue
		}
		rotated, err := auditlog.Rotated(path)
		if err != nil {
			rotated = []string{path} // the file may be readable where its folder is not
		}
		files = append(files, rotated...)
	}
	skipped := skippedLines{w: cmd.ErrOrStderr()}
	options := auditlog.Options{Since: l.since.time, Skipped: skipped.add}
	if l.follow {
		options.Follow = args
	}
	log, err := auditlog.Open(files, options)
	if errors.Is(err, fs.ErrNotExist) && args[0] == usual {
		return fmt.Errorf("%s: no safesock that runs as you has written a log; sudo safesock log shows that of the machine, and safesock log FILE another", usual)
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; the audit log is for its owner alone: try sudo safesock log", err)
	}
	if err != nil {
		return err
	}
	defer log.Close()
	// Whoever reads the output may have seen enough.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l.page = newPage(cmd.OutOrStdout())
	l.page.live = slices.Contains(args, "-") // a pipe may have more to come, and reading it waits
	err = l.print(ctx, log, &skipped)
	if errors.Is(err, syscall.EPIPE) {
		err = nil
	}
	skipped.report()
	return err
}

// print prints a log to its end, or until the context is done if it is followed.
func (l *logs) print(ctx context.Context, log *auditlog.Log, skipped *skippedLines) error {
	for ctx.Err() == nil {
		record, err := log.Next()
		switch {
		case errors.Is(err, io.EOF):
			if err := l.page.out.Flush(); err != nil || !l.follow {
				return err
			}
			skipped.report()
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		case err != nil:
			return errors.Join(err, l.page.out.Flush())
		default:
			if err := l.show(record); err != nil {
				return err
			}
		}
	}
	return l.page.out.Flush()
}

// show prints a record that is asked for.
func (l *logs) show(record auditlog.Record) error {
	if answer := record.Answer; answer != nil {
		if !l.shown[answer.ID] {
			return nil
		}
		delete(l.shown, answer.ID)
		return l.page.line(string(record.Line))
	}
	if !l.wants(record.Call) {
		return nil
	}
	if l.json {
		l.shown[record.Call.ID] = true
		return l.page.line(string(record.Line))
	}
	return l.page.call(record.Call)
}

// wants reports whether a call is asked for.
func (l *logs) wants(call *proxy.CallRecord) bool {
	became := fateOfCall(call)
	if became == observed {
		became = changed
		if wouldRefuse(call) {
			became = refused
		}
	}
	if (l.changed || l.refused) && !(l.changed && became == changed || l.refused && became == refused) {
		return false
	}
	if l.user != "" && l.user != call.Client.User && l.user != strconv.Itoa(call.Client.UID) {
		return false
	}
	return l.project == "" || call.Compose != nil && call.Compose.Project == l.project
}

// wouldRefuse reports whether a policy that only observes would have refused a call.
func wouldRefuse(call *proxy.CallRecord) bool {
	return slices.ContainsFunc(call.Claims, func(claim proxy.ClaimRecord) bool { return claim.Action == policy.Deny.String() })
}

// page prints lines for people.
type page struct {
	out   *bufio.Writer
	live  bool // each line is shown at once
	width int  // of the terminal in characters, 0 if the output is no terminal
	color bool
}

func newPage(w io.Writer) page {
	p := page{out: bufio.NewWriterSize(w, 64<<10)}
	if file, ok := w.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ); err == nil {
			p.width = int(size.Col)
			p.color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		}
	}
	return p
}

func (p page) line(text string) error {
	if _, err := fmt.Fprintln(p.out, text); err != nil || !p.live {
		return err
	}
	return p.out.Flush()
}

// colors are SGR parameters (ECMA-48) for the fates that stand out.
var colors = map[fate]string{warned: "33", changed: "36", refused: "31", observed: "35"}

// call prints the line of a call. On a terminal that is too narrow for the line,
// the rest goes below.
func (p page) call(call *proxy.CallRecord) error {
	head := fmt.Sprintf("%s  %-8s  %-18s  ", call.Time.Local().Format(time.DateTime), printable(userOf(call)), printable(cmp.Or(call.Endpoint, "-")))
	subject := about(call)
	if subject == "" {
		subject = requestOf(call)
	}
	parts := []string{fmt.Sprintf("%-19s", printable(subject))}
	became := whatBecame(call)
	for i, part := range became {
		if part = printable(part); i < len(became)-1 {
			part += ";"
		}
		parts = append(parts, part)
	}
	var b strings.Builder
	b.WriteString(head)
	used, color := utf8.RuneCountInString(head), ""
	if p.color {
		color = colors[fateOfCall(call)]
	}
	for i, part := range parts {
		gap := " "
		if i == 1 {
			gap = "  "
		}
		switch length := utf8.RuneCountInString(part); {
		case i == 0:
			gap = ""
			used += length
		case p.width > 0 && used+len(gap)+length > p.width:
			gap = "\n    "
			used = 4 + length
		default:
			used += len(gap) + length
		}
		b.WriteString(gap)
		if i > 0 && color != "" {
			part = "\x1b[" + color + "m" + part + "\x1b[m"
		}
		b.WriteString(part)
	}
	return p.line(b.String())
}

// whatBecame says what came of a call, in texts of which none needs another.
func whatBecame(call *proxy.CallRecord) []string {
	if call.Refused != "" {
		return []string{"refused: " + strings.TrimPrefix(call.Refused, "safesock: ")}
	}
	var parts []string
	for _, claim := range call.Claims {
		if claim.Claim.Kind() == policy.KindAPI && fateOf(call, claim) == allowed {
			continue
		}
		parts = append(parts, claimLine(call, claim))
	}
	if len(parts) == 0 {
		return []string{"nothing asked of the host"}
	}
	return parts
}

// sinceTime is a flag for a time of the past.
type sinceTime struct {
	text string
	time time.Time
}

func (s *sinceTime) String() string { return s.text }
func (s *sinceTime) Type() string   { return "time" }

func (s *sinceTime) Set(text string) error {
	now := time.Now()
	s.text = text
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			s.time = now.AddDate(0, 0, -int(n))
			return nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil {
		s.time = now.Add(-ago)
		return nil
	}
	if clock, err := time.ParseInLocation("15:04", text, time.Local); err == nil {
		s.time = time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), 0, 0, time.Local)
		return nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			s.time = at
			return nil
		}
	}
	return errors.New("a time is how long ago, as in 90m or 2d, or when, as in 14:30 or 2026-11-27 or 2026-11-27T14:30:00Z")
}

// skippedLines counts the lines of each file that are no records.
type skippedLines struct {
	w     io.Writer
	order []string
	files map[string]*skippedIn
}

type skippedIn struct {
	count, first int
	why          error // of the first
}

func (s *skippedLines) add(path string, line int, why error) {
	if s.files == nil {
		s.files = map[string]*skippedIn{}
	}
	if s.files[path] == nil {
		s.files[path] = &skippedIn{first: line, why: why}
		s.order = append(s.order, path)
	}
	s.files[path].count++
}

// report prints what was counted since the last report.
func (s *skippedLines) report() {
	for _, path := range s.order {
		in := s.files[path]
		which := fmt.Sprintf("line %d was", in.first)
		if in.count > 1 {
			which = fmt.Sprintf("line %d and %d more were", in.first, in.count-1)
		}
		fmt.Fprintf(s.w, "safesock: %s: %s skipped: no record that this safesock knows (%s)\n", path, which, printable(in.why.Error()))
	}
	s.order, s.files = nil, nil
}
