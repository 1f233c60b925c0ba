package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safesock/safesock/examples"
)

// situations are the values of --for, each with a policy in examples.
var situations = []string{"laptop", "ci", "homelab", "strict", "team", "readonly"}

func newInit() *cobra.Command {
	var situation string
	cmd := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a policy to begin with",
		Long: `Writes a commented policy for a situation, to be changed as you like:

  laptop    ports stay on the machine, and sibling containers still reach them
  ci        untrusted compose files on a runner
  homelab   a reverse proxy faces the LAN, databases never
  strict    loopback only, whatever is asked
  team      by user and group, with expiry
  readonly  list and inspect, nothing else

FILE is policy.hcl if it is not given, and is never overwritten; - is standard
output.`,
		Example: `  safesock init
  safesock init --for ci ci.hcl
  safesock check policy.hcl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("%s takes one FILE, not %d", cmd.CommandPath(), len(args))
			}
			src, err := examples.Policies.ReadFile(situation + ".hcl")
			if err != nil {
				return fmt.Errorf("--for %s: one of %s", situation, strings.Join(situations, ", "))
			}
			name := "policy.hcl"
			if len(args) > 0 {
				name = args[0]
			}
			if name == "-" {
				_, err := cmd.OutOrStdout().Write(src)
				return err
			}
			file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%s is there already; name another file, or - for standard output", name)
			}
			if err != nil {
				return err
			}
			if _, err := file.Write(src); err != nil {
				file.Close()
				return err
			}
			if err := file.Close(); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s written. Try it with: safesock explain --policy %s docker run -p 8080:80 web\n", name, name)
			return nil
		},
	}
	cmd.Flags().StringVar(&situation, "for", "laptop", "`situation`: "+strings.Join(situations, ", "))
	_ = cmd.RegisterFlagCompletionFunc("for", cobra.FixedCompletions(situations, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}
