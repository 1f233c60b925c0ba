package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// no is the error of a command that did its work and answers no. The exit code is 1.
// The text is printed without a prefix, unless it is empty.
type no string

func (n no) Error() string { return string(n) }

// noCommand refuses the name of an unknown command.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		return fmt.Errorf("there is no command %q; did you mean %s?", args[0], strings.Join(like, " or "))
	}
	return fmt.Errorf("there is no command %q\nsee '%s --help'", args[0], cmd.CommandPath())
}

// wanted says how to write a flag's value, by the flag's type.
var wanted = map[string]string{
	"bool":     "true or false",
	"duration": "a time has a unit, as in 5s",
	"int64":    "not a whole number, as in 1048576",
}

// flagError explains what is wrong with the flags of a command.
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

// noArgs refuses arguments. The text instead, if there is one, says where the first
// argument may belong.
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
