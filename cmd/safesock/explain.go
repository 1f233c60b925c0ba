package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/safesock/safesock/clients"
	"github.com/safesock/safesock/host"
	"github.com/safesock/safesock/policy"
)

// explain is the command that shows what the policy makes of calls.
type explain struct {
	policies   policies
	compose    clients.Compose
	as         string
	engine     string
	imagePorts []string
	format     string
	json       bool
	diff       bool
	failOn     string
}

// formats are the output formats of explain.
var formats = []string{"text", "json", "sarif", "github"}

// failures are the values of --fail-on. Each also fails on what those before it
// fail on.
var failures = []string{"deny", "bind", "warn"}

func newExplain() *cobra.Command {
	var e explain
	cmd := &cobra.Command{
		Use:   "explain [FILE...|-|docker run ARGS...|docker compose up]",
		Short: "Show what the policy makes of a compose file, a docker run line or a call",
		Long: `Decides calls as serve would, and prints every claim on the host with the rule
that decides it, for one of

  a compose file     the calls of docker compose up, with the lines of the file;
                     several FILEs are merged as with docker compose -f. Without
                     FILE, the one that docker compose would find
  docker compose up  the calls of the files that this line names, or would find
  docker run …       the call that this line makes (also docker create, podman,
                     nerdctl, and with sudo)
  a create body      the JSON body of a container create call
  a call             a line as in "POST /networks/create", and its body below

No Engine is needed. What only an Engine could tell (which ports an image
exposes, what an existing network, volume or container is) counts as not there,
and is listed below the table; --image-port tells what an image exposes. Some
decisions depend on the Engine's version. It is the one of --engine, or else
that of the Engine at DOCKER_HOST or a usual place. If none answers, it is
taken for an old one, and a note names these decisions. "-" is a compose file, a
call or its body on standard input.

` + policyHelp,
		Example: `  safesock explain
  safesock explain compose.yaml compose.prod.yaml --profile debug
  safesock explain docker run -p 8080:80 -v /var/run/docker.sock:/s web
  safesock explain --engine 28.5 docker compose -f compose.prod.yaml up -d
  safesock explain --policy ci.hcl --fail-on deny --format github compose.yaml
  docker compose config | safesock explain -`,
		RunE: func(cmd *cobra.Command, args []string) error { return e.run(cmd, args) },
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // the options of a docker run line are docker's
	e.policies.flag(f)
	f.StringVarP(&e.compose.Project, "project", "p", "", "Compose project `name`")
	f.StringArrayVar(&e.compose.Profiles, "profile", nil, "Compose `profile` to turn on; may be repeated")
	f.StringArrayVar(&e.compose.EnvFiles, "env-file", nil, "environment `file` for variables in compose files, instead of .env; may be repeated")
	f.StringVar(&e.as, "as", "", "decide for the `user` of this name instead of you")
	f.StringVar(&e.engine, "engine", "", "decide for an Engine of this `version`, as in 28.5 or podman-5.8")
	f.StringArrayVar(&e.imagePorts, "image-port", nil, "`port` that images expose, as in 80 or 53/udp, for -P; may be repeated")
	f.StringVar(&e.format, "format", "text", "how to print: "+strings.Join(formats, ", "))
	f.BoolVar(&e.json, "json", false, "same as --format json")
	f.BoolVar(&e.diff, "diff", false, "show how the bodies are edited, too")
	f.StringVar(&e.failOn, "fail-on", "", "exit with 1 if anything is refused (deny), or also changed (bind), or also warned about (warn)")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("fail-on", cobra.FixedCompletions(failures, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (e *explain) run(cmd *cobra.Command, args []string) error {
	line, err := clients.ParseLine(args)
	if err != nil {
		return err
	}
	if len(args) > 0 && line == nil {
		// Options may follow the files.
		cmd.Flags().SetInterspersed(true)
		if err := cmd.ParseFlags(args); err != nil {
			return cmd.FlagErrorFunc()(cmd, err)
		}
		args = cmd.Flags().Args()
	}
	if e.json {
		e.format = "json"
	}
	if !slices.Contains(formats, e.format) {
		return fmt.Errorf("--format %s: one of %s", e.format, strings.Join(formats, ", "))
	}
	if e.failOn != "" && !slices.Contains(failures, e.failOn) {
		return fmt.Errorf("--fail-on %s: one of %s", e.failOn, strings.Join(failures, ", "))
	}
	loaded, err := e.policies.load()
	if err != nil {
		return err
	}
	here := &thisHost{engine: resolvedUpstream()}
	world, err := e.world(here)
	if err != nil {
		return err
	}
	shown := report{diff: e.diff, observe: loaded.Observe()}
	calls, err := e.calls(cmd.Context(), cmd.InOrStdin(), args, line, world, &shown)
	if err != nil {
		return err
	}
	var unsure []string
	for _, each := range calls {
		got, err := world.apply(loaded, each)
		if err != nil {
			return err
		}
		differing, err := world.unsure(loaded, got)
		if err != nil {
			return err
		}
		unsure = append(unsure, differing...)
		shown.verdicts = append(shown.verdicts, got)
	}
	if len(unsure) > 0 {
		slices.Sort(unsure)
		shown.notes = append(shown.notes, fmt.Sprintf("what is decided depends on the Engine, which did not answer and is taken for an old one: %s; name yours, as in --engine 28.5",
			strings.Join(slices.Compact(unsure), ", ")))
	}
	shown.unknown = len(world.unknown) > 0
	shown.notes = append(shown.notes, unknownNotes(world.unknown)...)
	shown.notes = append(shown.notes, shown.foreignAddresses()...)
	if len(world.invented) > 0 && (e.diff || e.format == "json") {
		shown.notes = append(shown.notes, fmt.Sprintf("safesock chooses free ports when the call is made; the body has %s in their place", numbers(world.invented)))
	}
	for _, path := range here.hidden {
		shown.notes = append(shown.notes, fmt.Sprintf("you may not look at %s, so its symbolic links were not followed; serve follows them", path))
	}
	if err := shown.print(cmd.OutOrStdout(), e.format); err != nil {
		return err
	}
	if e.failOn != "" && shown.worst() <= slices.Index(failures, e.failOn) {
		return no("")
	}
	return nil
}

// numbers returns numbers as a text, each once.
func numbers(list []int) string {
	var texts []string
	for _, each := range list {
		if text := strconv.Itoa(each); !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, ", ")
}

// resolvedUpstream returns the path of the Engine's socket, with symbolic links
// followed.
func resolvedUpstream() string {
	if resolved, _, err := (host.Machine{}).Resolve(usualUpstream); err == nil {
		return resolved
	}
	return usualUpstream
}

// world returns a world of this host, and of an Engine of which only the version and
// the ports of --image-port are known.
func (e *explain) world(here *thisHost) (*offline, error) {
	client, err := clientNamed(e.as)
	if err != nil {
		return nil, err
	}
	world := &offline{client: client, time: time.Now(), machine: here, upstream: here.engine, listen: usualOwn}
	if len(e.imagePorts) > 0 {
		if world.image, err = imageExposing(e.imagePorts); err != nil {
			return nil, err
		}
	}
	if e.engine == "" {
		world.version = sync.OnceValue(foundVersion)
		return world, nil
	}
	version, err := versionOf(e.engine)
	world.version = func() []byte { return version }
	return world, err
}

// foundVersion asks the Engine of DOCKER_HOST, or else of a usual place, for its
// version. A safesock there passes the question on. foundVersion returns nil if no
// Engine answers.
func foundVersion() []byte {
	found, err := findEngine("", os.Getenv("DOCKER_HOST"), usualEngines())
	if err != nil {
		return nil
	}
	return askVersion(found.path)
}

// calls reads the calls to explain, and adds hints and notes about them to the
// report.
func (e *explain) calls(ctx context.Context, stdin io.Reader, args []string, line *clients.Line, world *offline, shown *report) ([]clients.Call, error) {
	if line != nil && line.Local {
		shown.notes = append(shown.notes, localNotes[line.Client])
	}
	switch {
	case line != nil && line.IsCompose():
		if err := line.Compose(&e.compose); err != nil {
			return nil, fmt.Errorf("%s: %w", line.Client, err)
		}
	case line != nil:
		one, err := line.Run()
		var unknown *pflag.NotExistError
		if errors.As(err, &unknown) {
			return nil, fmt.Errorf("%s: %w; options of explain stand before %s", line.Client, err, args[0])
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", line.Client, err)
		}
		return []clients.Call{one}, nil
	default:
		if i := slices.IndexFunc(args, func(arg string) bool { return strings.HasSuffix(arg, ".hcl") }); i >= 0 {
			return nil, fmt.Errorf("%s: is a policy, not a compose file; name it with --policy %s", args[i], args[i])
		}
		if len(args) == 1 {
			src, err := readInput(stdin, args[0])
			if err != nil {
				return nil, err
			}
			if clients.IsCall(src) {
				return []clients.Call{clients.ParseCall(src)}, nil
			}
			if args[0] == "-" {
				e.compose.Text = string(src)
			}
		}
		e.compose.Files = args
	}
	e.compose.Stdin = stdin
	project, err := e.compose.Load(ctx)
	if errors.Is(err, clients.ErrNoCompose) {
		return nil, errors.New("no compose file here; name a FILE, - for a compose file or a call on standard input, or a docker run line")
	}
	if err != nil {
		return nil, err
	}
	shown.hints = hints(project)
	shown.services = len(project.Services)
	calls, answers := clients.Up(project)
	world.engine = answers
	return calls, nil
}

// localNotes are notes about clients that start containers without an Engine.
var localNotes = map[string]string{
	"podman":  "podman starts containers itself, and safesock does not see them; with podman --remote, it calls the socket that safesock guards",
	"nerdctl": "nerdctl calls containerd, which safesock does not guard; this is what becomes of the same line of docker",
}

// readInput reads a file, or standard input for "-".
func readInput(stdin io.Reader, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(name)
}

// print writes the report in one of the formats.
func (r *report) print(w io.Writer, format string) error {
	switch format {
	case "json":
		return r.json(w)
	case "sarif":
		return r.sarif(w)
	case "github":
		return r.github(w)
	}
	return r.text(w)
}

// unknownNotes returns notes about what only an Engine could have answered.
func unknownNotes(paths []string) []string {
	var notes []string
	for _, path := range paths {
		kind, name, _ := strings.Cut(strings.Trim(path, "/"), "/")
		name = strings.TrimSuffix(name, "/json")
		switch kind {
		case "info":
			notes = append(notes, "the Engine's default runtime is not known")
		case "images":
			notes = append(notes, fmt.Sprintf("-P publishes every port that image %q exposes, which only an Engine knows; name them, as in --image-port 80", name))
		default:
			notes = append(notes, fmt.Sprintf("%s %q is not known without an Engine, and taken as not there", strings.TrimSuffix(kind, "s"), name))
		}
	}
	return slices.Compact(notes)
}

// worst returns the index in failures of the worst outcome, or len(failures) if
// nothing fails.
func (r *report) worst() int {
	worst := len(failures)
	for _, each := range r.verdicts {
		if each.refusal != nil {
			return 0
		}
		for _, outcome := range each.result.Outcomes {
			switch action := outcome.Decision.Action; {
			case action == policy.Deny:
				worst = 0 // without a refusal: the policy is in observe mode
			case action == policy.Bind && outcome.Before != outcome.After, action == policy.Replace:
				worst = min(worst, 1)
			case action == policy.Warn:
				worst = min(worst, 2)
			}
		}
	}
	return worst
}
