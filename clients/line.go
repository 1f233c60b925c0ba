package clients

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Line is a command line of a client.
type Line struct {
	Client string   // "docker", "podman", …
	Local  bool     // the client starts containers without calling an Engine's socket
	engine string   // the option that names an Engine, "" if there is none
	words  []string // the command, and what follows it
}

// names are the clients whose command lines can be read.
var names = []string{"docker", "podman", "nerdctl", "docker-compose", "podman-compose"}

// The options before a command. Those with a value have to be known, because the
// word after them is not the command.
var (
	sudoSwitches   = []string{"askpass,A", "background,b", "login,i", "non-interactive,n", "preserve-env,E", "set-home,H", "stdin,S"}
	sudoValues     = []string{"user,u", "group,g", "chdir,D", "prompt,p"}
	clientSwitches = []string{"debug,D", "remote,r", "tls", "tlsverify"}
	clientValues   = []string{
		"host,H", "context,c", "config", "log-level,l", "tlscacert", "tlscert", "tlskey", // docker's
		"url", "connection", "identity", "root", "runroot", "storage-driver", // podman's
		"namespace,n", "address,a", "data-root", "snapshotter", // nerdctl's
	}
)

// ParseLine reads the words of a command line, with or without sudo. It returns nil
// if the line runs no client.
func ParseLine(words []string) (*Line, error) {
	if len(words) > 0 && filepath.Base(words[0]) == "sudo" {
		flags := flagSet()
		ignore(flags, sudoSwitches, sudoValues)
		if err := flags.Parse(words[1:]); err != nil {
			return nil, fmt.Errorf("sudo: %w", err)
		}
		words = flags.Args()
		if len(words) == 0 || !slices.Contains(names, filepath.Base(words[0])) {
			return nil, fmt.Errorf("sudo: a line of %s has to follow", strings.Join(names[:3], ", "))
		}
	}
	if len(words) < 2 || !slices.Contains(names, filepath.Base(words[0])) {
		return nil, nil
	}
	line := &Line{Client: filepath.Base(words[0]), words: words[1:]}
	if strings.HasSuffix(line.Client, "-compose") {
		line.Client, line.words = strings.TrimSuffix(line.Client, "-compose"), append([]string{"compose"}, line.words...)
	} else {
		flags := flagSet()
		ignore(flags, clientSwitches, clientValues)
		if err := flags.Parse(line.words); err != nil {
			return nil, fmt.Errorf("%s: %w", line.Client, err)
		}
		line.words = flags.Args()
		line.engine = named(flags)
		remote := flags.Changed("remote") || flags.Changed("url") || flags.Changed("connection") || line.IsCompose()
		line.Local = line.Client == "nerdctl" || line.Client == "podman" && !remote
	}
	return line, nil
}

// NamesEngine returns the option by which the line names an Engine itself, as in
// "--host". It returns "" if the environment says which Engine it is.
func (l *Line) NamesEngine() string {
	if l.engine != "" || !l.IsCompose() {
		return l.engine
	}
	flags := flagSet()
	ignore(flags, composeSwitches, composeValues)
	ignore(flags, []string{"tls", "tlsverify"}, []string{"file,f", "project-name,p", "project-directory", "profile", "env-file"})
	ignore(flags, nil, []string{"host,H", "context,c", "tlscacert", "tlscert", "tlskey", "log-level"})
	_ = flags.Parse(l.words[1:]) // what is wrong behind the option is Compose's to say
	return named(flags)
}

// named returns the first option of a line that names an Engine, "" if none does.
func named(flags *pflag.FlagSet) string {
	for _, option := range []string{"host", "context", "url", "connection"} {
		if flag := flags.Lookup(option); flag != nil && flag.Changed {
			return "--" + option
		}
	}
	return ""
}

// IsCompose reports whether the line runs Compose.
func (l *Line) IsCompose() bool { return len(l.words) > 0 && l.words[0] == "compose" }

// The options of docker compose, and of its up and create, that make no claims.
var (
	composeSwitches = []string{"all-resources", "compatibility", "dry-run", "verbose"}
	composeValues   = []string{"ansi", "parallel", "progress"}
	upSwitches      = []string{
		"abort-on-container-exit", "abort-on-container-failure", "always-recreate-deps", "attach-dependencies", "build", "detach,d", "force-recreate",
		"menu", "no-build", "no-color", "no-deps", "no-log-prefix", "no-recreate", "no-start", "quiet-build", "quiet-pull", "remove-orphans",
		"renew-anon-volumes,V", "timestamps", "wait", "watch,w", "yes,y",
	}
	upValues = []string{"attach", "exit-code-from", "no-attach", "pull", "scale", "timeout,t", "wait-timeout"}
)

// Compose fills in the files and the services of a docker compose up or create
// line.
func (l *Line) Compose(c *Compose) error {
	flags := flagSet()
	ignore(flags, composeSwitches, composeValues)
	flags.StringArrayVarP(&c.Files, "file", "f", nil, "")
	flags.StringVarP(&c.Project, "project-name", "p", c.Project, "")
	flags.StringVar(&c.Dir, "project-directory", c.Dir, "")
	flags.StringArrayVar(&c.Profiles, "profile", c.Profiles, "")
	flags.StringArrayVar(&c.EnvFiles, "env-file", c.EnvFiles, "")
	if err := flags.Parse(l.words[1:]); err != nil {
		return err
	}
	command := flags.Args()
	if len(command) == 0 || command[0] != "up" && command[0] != "create" {
		return fmt.Errorf("only up and create lines of compose can be explained, not %q", strings.Join(append([]string{l.Client, "compose"}, command[:min(len(command), 1)]...), " "))
	}
	flags = flagSet()
	flags.SetInterspersed(true)
	ignore(flags, upSwitches, upValues)
	if err := flags.Parse(command[1:]); err != nil {
		return err
	}
	c.Services = flags.Args()
	return nil
}

// short returns the beginning of the line, for messages.
func (l *Line) short() string {
	return strings.Join(append([]string{l.Client}, l.words[:min(len(l.words), 2)]...), " ")
}

// flagSet returns an empty set of options. Parsing stops at the first word that is
// not an option.
func flagSet() *pflag.FlagSet {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.SetInterspersed(false)
	return f
}

// ignore defines options that make no claims, each as NAME or NAME,LETTER.
func ignore(f *pflag.FlagSet, switches, values []string) {
	for _, each := range switches {
		name, short, _ := strings.Cut(each, ",")
		f.BoolP(name, short, false, "")
	}
	for _, each := range values {
		name, short, _ := strings.Cut(each, ",")
		f.StringArrayP(name, short, nil, "")
	}
}
