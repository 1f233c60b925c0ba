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

	"github.com/spf13/cobra"

	"github.com/safesock/safesock/policy"
)

const manual = `safesock guards the Docker Engine's socket. It stands between Docker's clients
and the Engine, and what would make a container reachable from other hosts
without being asked for is made safe: "docker run -p 8080:80 web" listens on
127.0.0.1. A policy, written in HCL, says where that should be otherwise.

Exit codes: 0 if all is well; 1 if the answer is no (a policy with mistakes, a
test that failed, a --fail-on that was met); 2 if the command could not do its
work (wrong usage, a file that cannot be read, a socket that is taken). exec has
the exit code of the command that it ran.`

const manualExamples = `  # Guard this machine's Engine, and use it from another terminal
  sudo safesock serve
  export DOCKER_HOST=unix:///run/safesock/docker.sock
  docker run -d -p 8080:80 web

  # The same for one command, and what was changed for it
  safesock exec docker compose up

  # What would become of the compose file in this folder, and what became of calls
  safesock explain
  safesock log --since 1h`

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run executes one command line and returns its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "test" {
		// go test spells this flag with one dash.
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
	var code exitCode
	if errors.As(err, &code) {
		return int(code)
	}
	var refused no
	if errors.As(err, &refused) {
		if refused != "" {
			fmt.Fprintln(stderr, refused)
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
	root.AddCommand(newServe(), newExec(), newEnv(), newLog(), newCheck(), newExplain(), newTest(), newFmt(), newInit(), newPolicy(), newVersion())
	return root
}
