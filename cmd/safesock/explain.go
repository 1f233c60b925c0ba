package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-connections/nat"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite"
)

// explain is the command that tells what would become of calls.
type explain struct {
	policies   policies
	compose    compose
	as         string
	imagePorts []string
	format     string
	json       bool
	diff       bool
	failOn     string
}

// formats are how explain can print.
var formats = []string{"text", "json", "sarif", "github"}

// failures are what --fail-on can be, the mildest first: each includes those
// before it.
var failures = []string{"deny", "bind", "warn"}

func newExplain() *cobra.Command {
	var e explain
	cmd := &cobra.Command{
		Use:   "explain [FILE...|-|docker run ARGS...]",
		Short: "Show what the policy makes of a compose file, a docker run line or a call",
		Long: `Decides calls as serve would, and prints every claim on the host with the rule
that decides it, for one of

  a compose file   the calls of docker compose up, with the lines of the file;
                   several FILEs are merged as with docker compose -f. Without
                   FILE, the one that docker compose would find
  docker run …     the call that this line makes (also docker create, podman)
  a create body    the JSON body of a container create call
  a call           a line as in "POST /networks/create", and its body below

No Engine is needed. What only an Engine could tell (which ports an image
exposes, what an existing network, volume or container is) counts as not there,
and is listed below the table; --image-port tells what an image exposes. "-" is
a compose file, a call or its body on standard input.

` + policyHelp,
		Example: `  safesock explain
  safesock explain compose.yaml compose.prod.yaml --profile debug
  safesock explain docker run -p 8080:80 -v /var/run/docker.sock:/s web
  safesock explain --policy ci.hcl --fail-on deny --format github compose.yaml
  docker compose config | safesock explain -`,
		RunE: func(cmd *cobra.Command, args []string) error { return e.run(cmd, args) },
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // the options of a docker run line are docker's
	e.policies.flag(f)
	e.compose.flags(f)
	f.StringVar(&e.as, "as", "", "decide for the `user` of this name instead of you")
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
	if len(args) > 0 && !isRunLine(args) {
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
	world, err := e.world()
	if err != nil {
		return err
	}
	shown := report{diff: e.diff, observe: loaded.Observe()}
	requests, err := e.requests(cmd.Context(), cmd.InOrStdin(), args, world, &shown)
	if err != nil {
		return err
	}
	for _, each := range requests {
		got, err := world.apply(loaded, each)
		if err != nil {
			return err
		}
		shown.answers = append(shown.answers, got)
	}
	shown.notes = append(shown.notes, unknownNotes(world.unknown)...)
	if err := shown.print(cmd.OutOrStdout(), e.format); err != nil {
		return err
	}
	if e.failOn != "" && shown.worst() <= slices.Index(failures, e.failOn) {
		return no("")
	}
	return nil
}

// world answers for an Engine that only knows the ports of --image-port.
func (e *explain) world() (*offline, error) {
	client, err := clientNamed(e.as)
	if err != nil {
		return nil, err
	}
	world := &offline{engine: map[string][]byte{}, client: client, time: time.Now(), machine: thisHost{}}
	if len(e.imagePorts) > 0 {
		world.image, err = imageExposing(e.imagePorts)
	}
	return world, err
}

// imageExposing is an image's inspect answer.
func imageExposing(ports []string) ([]byte, error) {
	exposed := nat.PortSet{}
	for _, each := range ports {
		number, protocol, _ := strings.Cut(each, "/")
		port, err := nat.NewPort(orTCP(protocol), number)
		if err != nil {
			return nil, fmt.Errorf("image port %s: %w", each, err)
		}
		exposed[port] = struct{}{}
	}
	return encode(map[string]any{"Id": "sha256:" + fakeID("image"), "Config": map[string]any{"ExposedPorts": exposed}}), nil
}

// requests reads the calls to explain, and notes what a person should know
// about them.
func (e *explain) requests(ctx context.Context, stdin io.Reader, args []string, world *offline, shown *report) ([]request, error) {
	if isRunLine(args) {
		one, err := parseRun(args)
		var unknown *pflag.NotExistError
		if errors.As(err, &unknown) {
			return nil, fmt.Errorf("%s: %w; options of explain stand before %s", args[0], err, args[0])
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", args[0], err)
		}
		return []request{one}, nil
	}
	if i := slices.IndexFunc(args, func(arg string) bool { return strings.HasSuffix(arg, ".hcl") }); i >= 0 {
		return nil, fmt.Errorf("%s: is a policy, not a compose file; name it with --policy %s", args[i], args[i])
	}
	if len(args) == 1 {
		src, err := readInput(stdin, args[0])
		if err != nil {
			return nil, err
		}
		if isCall(src) {
			return []request{parseCall(src)}, nil
		}
		if args[0] == "-" {
			if err := unread(src); err != nil {
				return nil, err
			}
		}
	}
	e.compose.files = args
	project, err := e.compose.load(ctx)
	if errors.Is(err, errNoCompose) {
		return nil, errors.New("no compose file here; name a FILE, - for a compose file or a call on standard input, or a docker run line")
	}
	if err != nil {
		return nil, err
	}
	shown.hints = hints(project)
	return composeRequests(project, readComposeLines(project), world.engine), nil
}

// readInput reads a file, or standard input for "-".
func readInput(stdin io.Reader, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(name)
}

// unread puts back what was read of standard input: Compose's loader reads it
// by itself.
func unread(src []byte) error {
	from, to, err := os.Pipe()
	if err != nil {
		return err
	}
	go func() {
		defer to.Close()
		_, _ = to.Write(src) // fails only once nobody reads any more
	}()
	os.Stdin = from
	return nil
}

var callLine = regexp.MustCompile(`^[A-Z]+ /\S*[ \t\r]*(\n|$)`)

// isCall tells a call, or the body of one, from a compose file, which may be
// JSON too.
func isCall(src []byte) bool {
	if callLine.Match(src) {
		return true
	}
	var body map[string]json.RawMessage
	if !bytes.HasPrefix(bytes.TrimSpace(src), []byte("{")) {
		return false
	}
	// A body that is not JSON is the policy's to refuse.
	return json.Unmarshal(src, &body) != nil || body["services"] == nil
}

// createPath is where a container is created.
var createPath = rewrite.Named("container.create").Path

// parseCall reads a call: a line as in "POST /networks/create" and its body
// below, or the body of a container create call alone.
func parseCall(src []byte) request {
	line := callLine.Find(src)
	if line == nil {
		return request{Method: "POST", Target: createPath, Body: src}
	}
	method, target, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
	return request{Method: method, Target: target, Body: bytes.TrimSpace(src[len(line):])}
}

// unknownNotes tells what the Engine was asked for and could not say.
func unknownNotes(paths []string) []string {
	var notes []string
	for _, path := range paths {
		kind, name, _ := strings.Cut(strings.Trim(path, "/"), "/")
		name = strings.TrimSuffix(name, "/json")
		switch kind {
		case "version", "info":
			notes = append(notes, "the Engine is not known, and taken for an old one")
		case "images":
			notes = append(notes, fmt.Sprintf("-P publishes every port that image %q exposes, which only an Engine knows; name them, as in --image-port 80", name))
		default:
			notes = append(notes, fmt.Sprintf("%s %q is not known without an Engine, and taken as not there", strings.TrimSuffix(kind, "s"), name))
		}
	}
	return slices.Compact(notes)
}

// worst is the index in failures of the worst outcome, or beyond them if there
// is none.
func (r *report) worst() int {
	worst := len(failures)
	for _, each := range r.answers {
		if each.refusal != nil {
			return 0
		}
		for _, outcome := range each.result.Outcomes {
			switch action := outcome.Decision.Action; {
			case action == policy.Deny:
				worst = 0 // a policy that only observes
			case action == policy.Bind && outcome.Before != outcome.After, action == policy.Replace:
				worst = min(worst, 1)
			case action == policy.Warn:
				worst = min(worst, 2)
			}
		}
	}
	return worst
}
