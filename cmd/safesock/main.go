// Safesock is a proxy in front of the Docker Engine's Unix socket. A port that
// a client publishes without an address is bound to 127.0.0.1, unless a policy
// says otherwise; every change is audited and told to the client.
//
// Each command has a file of its own. They read files and flags, and leave the
// work to the packages proxy, rewrite and policy.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/safesock/safesock/policy"
)

const manual = `safesock guards the Docker Engine's socket. It stands between Docker's clients
and the Engine, and what would make a container reachable from other hosts
without being asked for is made safe: "docker run -p 8080:80 web" listens on
127.0.0.1. A policy, written in HCL, says where that should be otherwise.

Exit codes: 0 if all is well; 1 if the answer is no (a policy with mistakes, a
test that failed, a --fail-on that was met); 2 if the command could not do its
work (wrong usage, a file that cannot be read, a socket that is taken).`

const manualExamples = `  # Guard this machine's Engine, and use it from another terminal
  sudo safesock serve
  export DOCKER_HOST=unix:///run/safesock/docker.sock
  docker run -d -p 8080:80 web

  # What would become of the compose file in this folder
  safesock explain`

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run executes one command line and gives its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "test" {
		// As go test spells it.
		args = slices.Clone(args)
		for i, arg := range args {
			if arg == "-update" {
				args[i] = "--update"
			}
		}
	}
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.Execute()
	if err == nil {
		return 0
	}
	var answer no
	if errors.As(err, &answer) {
		if answer != "" {
			fmt.Fprintln(stderr, answer)
		}
		return 1
	}
	var mistakes *policy.Diagnostics
	if errors.As(err, &mistakes) {
		fmt.Fprintln(stderr, mistakes)
		return 2
	}
	fmt.Fprintf(stderr, "safesock: %v\n", err)
	return 2
}

// no is the error of a command that did its work and whose answer is no: exit
// code 1. Its text is printed as it is, and nothing if there is none.
type no string

func (n no) Error() string { return string(n) }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "safesock",
		Short:         "Docker's ports stay on this machine unless a policy says otherwise",
		Long:          manual,
		Example:       manualExamples,
		Version:       version(),
		Args:          noCommand,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	root.SetVersionTemplate(versionLine())
	root.SuggestionsMinimumDistance = 2
	root.AddCommand(newServe(), newCheck(), newExplain(), newTest(), newFmt(), newInit(), newPolicy(), newVersion())
	return root
}

// noCommand refuses the name of a command that there is not.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		return fmt.Errorf("there is no command %q; did you mean %s?", args[0], strings.Join(like, " or "))
	}
	return fmt.Errorf("there is no command %q\nsee '%s --help'", args[0], cmd.CommandPath())
}

// wanted tells how the value of a flag is written, by the flag's type.
var wanted = map[string]string{
	"bool":     "true or false",
	"duration": "a time has a unit, as in 5s",
	"int64":    "not a whole number, as in 1048576",
}

// flagError says what is wrong with the flags of a command.
func flagError(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return fmt.Errorf("%w\nsee '%s --help'", err, cmd.CommandPath())
	}
	flag := invalid.GetFlag()
	if want, ok := wanted[flag.Value.Type()]; ok {
		return fmt.Errorf("--%s %s: %s", flag.Name, invalid.GetValue(), want)
	}
	return fmt.Errorf("--%s %s: %w", flag.Name, invalid.GetValue(), invalid.Unwrap())
}

// noArgs refuses arguments, and says where the first might have belonged.
func noArgs(instead string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		if instead == "" {
			return fmt.Errorf("%s takes no arguments", cmd.CommandPath())
		}
		return fmt.Errorf("%s takes no arguments; %s %s", cmd.CommandPath(), instead, args[0])
	}
}
