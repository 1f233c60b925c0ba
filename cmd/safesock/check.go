package main

import (
	"errors"
	"fmt"
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
to do about it. Nothing is started and no Engine is needed.

Without FILE ` + usualPolicyHelp + ` The built-in policy
is read with them, and by itself if there are none.`,
		Example: `  safesock check policy.hcl
  safesock check /etc/safesock`,
		RunE: func(cmd *cobra.Command, args []string) error {
			given.paths = args
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
