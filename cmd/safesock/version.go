package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// described is what git calls the commit that make build builds.
var described string

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of safesock",
		Args:  noArgs(""),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), versionLine())
			return err
		},
	}
}

func versionLine() string {
	return fmt.Sprintf("safesock %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// version is the module's version as Go recorded it while building, or else
// what make build was told.
func version() string {
	build, ok := debug.ReadBuildInfo()
	switch {
	case ok && build.Main.Version != "" && build.Main.Version != "(devel)":
		return build.Main.Version
	case described != "":
		return described
	}
	return "(devel)"
}
