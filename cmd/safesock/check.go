package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/safesock/safesock"
	"github.com/safesock/safesock/policy"
)

func newCheck() *cobra.Command {
	var given policies
	cmd := &cobra.Command{
		Use:   "check [FILE|FOLDER...]",
		Short: "Check a policy for mistakes",
		Long: `Reads policies as serve would, and prints each mistake with its line and what
to do about it. Nothing is started and no Engine is needed. An address in to that
this machine has not is warned about: the policy may be for another machine.

Without FILE ` + usualPolicyHelp + ` The built-in policy
is read with them, and by itself if there are none.`,
		Example: `  safesock check policy.hcl
  safesock check /etc/safesock`,
		RunE: func(cmd *cobra.Command, args []string) error {
			given.paths = args
			for _, arg := range args {
				if slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(arg)) {
					return fmt.Errorf("%s: is a compose file or a call, not a policy; to see what becomes of it, run: safesock explain %s", arg, arg)
				}
			}
			files, err := given.read()
			if err != nil {
				return err
			}
			loaded, err := given.parse(files)
			var mistakes *policy.Diagnostics
			if errors.As(err, &mistakes) {
				return no(mistakes.Error())
			}
			if err != nil {
				return err
			}
			if warnings := loaded.Warnings(time.Now()); len(warnings.List) > 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), warnings)
			}
			if foreign := foreignIn(files, ownSubnets()); len(foreign) > 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), strings.Join(foreign, "\n"))
			}
			if len(files) == 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: ok (no FILE was given, and there is no %s)\n", safesock.Policy.Name, strings.Join(usualPlaces(), " and no "))
			}
			for _, file := range files {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", file.Name)
			}
			return nil
		},
	}
	given.setFlag(cmd.Flags())
	return cmd
}
