package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/safesock/safesock/policy"
)

// formatter is the command that formats policies.
type formatter struct {
	check bool
	diff  bool
}

func newFmt() *cobra.Command {
	var f formatter
	cmd := &cobra.Command{
		Use:   "fmt [FILE|FOLDER|-...]",
		Short: "Format policies and their test cases",
		Long: `Formats *.hcl files in place, and prints the names of those that changed. Without
a name it formats those in the current folder; "-" formats standard input.`,
		Example: `  safesock fmt
  safesock fmt --check /etc/safesock
  safesock fmt - < policy.hcl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.InOrStdin(), cmd.OutOrStdout(), args)
		},
	}
	cmd.Flags().BoolVar(&f.check, "check", false, "change nothing, and exit with 1 if a file is not formatted")
	cmd.Flags().BoolVar(&f.diff, "diff", false, "show what changes")
	return cmd
}

func (f *formatter) run(stdin io.Reader, out io.Writer, args []string) error {
	if len(args) == 0 {
		args = []string{"."}
	}
	unformatted := false
	for _, arg := range args {
		if arg == "-" {
			src, err := io.ReadAll(stdin)
			if err != nil {
				return err
			}
			formatted, err := format("standard input", src)
			if err != nil {
				return err
			}
			unformatted = unformatted || !bytes.Equal(src, formatted)
			if !f.check {
				if _, err := out.Write(formatted); err != nil {
					return err
				}
			}
			continue
		}
		names, err := hclNames(arg)
		if err != nil {
			return err
		}
		for _, name := range names {
			changed, err := f.file(out, name)
			if err != nil {
				return err
			}
			unformatted = unformatted || changed
		}
	}
	if f.check && unformatted {
		return no("")
	}
	return nil
}

// file formats one file.
func (f *formatter) file(out io.Writer, name string) (changed bool, err error) {
	src, err := os.ReadFile(name)
	if err != nil {
		return false, err
	}
	formatted, err := format(name, src)
	if err != nil || bytes.Equal(src, formatted) {
		return false, err
	}
	fmt.Fprintln(out, name)
	if f.diff {
		fmt.Fprint(out, string(diff.Diff(name, src, name+" (formatted)", formatted)))
	}
	if f.check {
		return true, nil
	}
	return true, os.WriteFile(name, formatted, 0o644)
}

// format lays out HCL as hclwrite does. It returns an error for a text that is not
// HCL.
func format(name string, src []byte) ([]byte, error) {
	file, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, policy.Diagnose(policy.File{Name: name, Src: src}, file, diags)
	}
	return hclwrite.Format(src), nil
}
