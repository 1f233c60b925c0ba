package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/safesock/safesock/proxy"
)

// openAudit opens the audit log that --audit names: "none" keeps none, and "" is the
// usual one, whose folder is made. It returns the log's path as well.
func openAudit(path string) (*proxy.Audit, string, error) {
	switch path {
	case "none":
		return nil, path, nil
	case "":
		var err error
		if path, err = usualAudit(); err != nil {
			return nil, "", err
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, "", err
		}
	}
	audit, err := proxy.OpenAudit(path)
	var problem *fs.PathError
	switch dir := filepath.Dir(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", fmt.Errorf("--audit %s: there is no folder %s; make it first", path, dir)
	case errors.As(err, &problem):
		return nil, "", fmt.Errorf("--audit %s: %w", path, problem.Err)
	}
	return audit, path, err
}

// usualAudit is the path of the audit log when none is named.
func usualAudit() (string, error) {
	if os.Getuid() == 0 {
		return "/var/log/safesock/audit.log", nil
	}
	state, err := stateDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(state, "safesock", "audit.log"), nil
}

// stateDir is where a user's programs keep their logs.
func stateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("%w: name an audit log with --audit FILE", err)
	}
	return filepath.Join(home, ".local", "state"), nil
}
