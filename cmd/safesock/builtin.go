package main

import (
	"github.com/spf13/cobra"

	"github.com/safesock/safesock"
)

func newPolicy() *cobra.Command {
	return &cobra.Command{
		Use:   "policy",
		Short: "Print the built-in policy",
		Long: `Prints the policy that decides what your own leaves open. Messages name its
rules by their lines, as in built-in:79.`,
		Example: `  safesock policy | less -N +79`,
		Args:    noArgs(""),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := cmd.OutOrStdout().Write(safesock.Policy.Src)
			return err
		},
	}
}
