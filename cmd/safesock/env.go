package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// env is the command that leads the clients of a shell to safesock serve.
type env struct {
	shell  string
	listen string
	unset  bool
}

// dialect is how a family of shells sets and unsets a variable.
type dialect struct {
	shells     []string
	set, unset string            // set has DOCKER_HOST's value for %s, in single quotes
	quotes     *strings.Replacer // escapes what is special within single quotes
}

var dialects = []dialect{
	{[]string{"bash", "zsh", "sh", "dash", "ash", "ksh", "mksh"}, "export DOCKER_HOST='%s'", "unset DOCKER_HOST", strings.NewReplacer(`'`, `'\''`)},
	{[]string{"fish"}, "set -gx DOCKER_HOST '%s'", "set -e DOCKER_HOST", strings.NewReplacer(`'`, `\'`, `\`, `\\`)},
	{[]string{"powershell", "pwsh"}, "$Env:DOCKER_HOST = '%s'", "Remove-Item Env:DOCKER_HOST", strings.NewReplacer(`'`, `''`)},
}

func newEnv() *cobra.Command {
	var e env
	var names []string
	for _, d := range dialects {
		names = append(names, d.shells...)
	}
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print the line that leads a shell's clients to safesock",
		Long: `Prints the line that sets DOCKER_HOST to the socket of safesock serve, in the
language of your shell. It prints nothing and says what to start if nobody
answers there.

  bash, zsh, sh  eval "$(safesock env)"
  fish           safesock env | source
  PowerShell     safesock env --shell powershell | Out-String | Invoke-Expression

The socket is the first of these that is there: your own in $XDG_RUNTIME_DIR,
and /run/safesock/docker.sock.`,
		Example: `  eval "$(safesock env)"
  eval "$(safesock env --unset)"`,
		Args: noArgs("name a socket with --listen"),
		RunE: func(cmd *cobra.Command, args []string) error {
			line, err := e.line()
			if err == nil {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), line)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&e.shell, "shell", "", "`name` of the shell: bash, zsh, fish or powershell (default that of $SHELL)")
	f.StringVar(&e.listen, "listen", "", "`path` of safesock's socket, as safesock serve has it")
	f.BoolVar(&e.unset, "unset", false, "print the line that undoes it")
	_ = cmd.RegisterFlagCompletionFunc("shell", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// line returns the line for the shell.
func (e *env) line() (string, error) {
	shell, from := e.shell, "--shell "+e.shell
	if shell == "" {
		login := cmp.Or(os.Getenv("SHELL"), "sh")
		shell, from = filepath.Base(login), "$SHELL is "+login
	}
	i := slices.IndexFunc(dialects, func(d dialect) bool { return slices.Contains(d.shells, strings.ToLower(shell)) })
	if i < 0 {
		return "", fmt.Errorf("%s: name a shell with --shell: bash, zsh, fish or powershell", from)
	}
	if e.unset {
		return dialects[i].unset, nil
	}
	path, err := e.socket()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(dialects[i].set, dialects[i].quotes.Replace("unix://"+path)), nil
}

// socket returns the path of the socket on which safesock answers.
func (e *env) socket() (string, error) {
	paths := servedSockets()
	if e.listen != "" {
		path, err := socketPath(e.listen)
		if err != nil {
			return "", fmt.Errorf("--listen %s: %w", e.listen, err)
		}
		paths = []string{path}
	}
	for _, path := range paths {
		conn, err := net.DialTimeout("unix", path, time.Second)
		switch {
		case err == nil:
			conn.Close()
			return path, nil
		case errors.Is(err, fs.ErrPermission):
			return "", fmt.Errorf("%s: you may not open it; ask to be put into its group (ls -l %s names it), and log in again", path, path)
		case errors.Is(err, syscall.ECONNREFUSED):
			return "", fmt.Errorf("%s: nobody answers there; %s", path, toStart(path, e.listen))
		case !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
	}
	return "", fmt.Errorf("%s: there is no such socket; %s", strings.Join(paths, " and "), toStart(paths[0], e.listen))
}

// toStart says how to start the safesock that serves a socket.
func toStart(path, listen string) string {
	switch {
	case listen != "":
		return "start safesock serve --listen " + path
	case path == systemSocket:
		return "start safesock: systemctl start safesock.socket, or safesock serve in another terminal"
	}
	return "start safesock: safesock serve in another terminal, or for the whole machine systemctl start safesock.socket"
}

// servedSockets returns the paths at which safesock serve listens if none is named:
// the user's own and the machine's.
func servedSockets() []string {
	if usual, err := usualListen(); err == nil && usual != systemSocket {
		return []string{usual, systemSocket}
	}
	return []string{systemSocket}
}
