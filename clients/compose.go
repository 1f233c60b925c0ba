package clients

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// Compose reads compose files as docker compose does.
type Compose struct {
	Files    []string // "-" is read from Stdin; if there are none, those that Compose would find
	Dir      string   // where to look; "" for the current folder
	Project  string   // the project's name; "" to derive it as Compose does
	Profiles []string
	EnvFiles []string
	Services []string // only these, and those that they depend on; if there are none, all services

	Stdin io.Reader
	Text  string // the text of a compose file, which replaces Files
	Alone bool   // this process's environment is not used: variables come from .env, and with Text there are none
}

// ErrNoCompose is the error of Load if no file was named and none is found.
var ErrNoCompose = errors.New("no compose file here")

// Load resolves the files with variables, profiles, overrides and includes.
func (c *Compose) Load(ctx context.Context) (*types.Project, error) {
	project, err := c.load(ctx)
	if err != nil || len(c.Services) == 0 {
		return project, err
	}
	// A service that is named needs no profile.
	if project, err = project.WithServicesEnabled(c.Services...); err != nil {
		return nil, err
	}
	return project.WithSelectedServices(c.Services)
}

func (c *Compose) load(ctx context.Context) (*types.Project, error) {
	if c.Text != "" && c.Alone {
		return loader.LoadWithContext(ctx, types.ConfigDetails{
			WorkingDir:  c.Dir,
			ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: []byte(c.Text)}},
		}, func(o *loader.Options) {
			o.SetProjectName(c.Project, false) // unless the text names it
			o.SkipResolveEnvironment = true
		})
	}
	environment := cli.WithOsEnv
	if c.Alone {
		environment = cli.WithEnv(nil)
	}
	files := c.Files
	if c.Text != "" {
		files = []string{standardInput}
	}
	options, err := cli.NewProjectOptions(files,
		cli.WithWorkingDirectory(c.Dir),
		environment,
		cli.WithEnvFiles(c.EnvFiles...),
		cli.WithDotEnv,
		cli.WithConfigFileEnv,
		cli.WithDefaultConfigPath,
		cli.WithDefaultProfiles(c.Profiles...),
		cli.WithName(c.Project),
		// The environment of a service's processes makes no claims, and its
		// env_file need not exist here.
		cli.WithoutEnvironmentResolution,
	)
	if err != nil {
		return nil, err
	}
	if len(options.ConfigPaths) == 0 {
		return nil, ErrNoCompose
	}
	load := options.LoadProject
	if slices.Contains(options.ConfigPaths, standardInput) {
		load = func(ctx context.Context) (*types.Project, error) { return c.loadStandardInput(ctx, options) }
	}
	project, err := load(ctx)
	if err != nil && !slices.ContainsFunc(options.ConfigPaths, func(path string) bool { return strings.Contains(err.Error(), filepath.Base(path)) }) {
		return nil, fmt.Errorf("%s: %w", strings.Join(options.ConfigPaths, ", "), err)
	}
	return project, err
}

// standardInput is how Compose names standard input, also in the labels of
// containers.
const standardInput = "-"

// loadStandardInput does what options.LoadProject does, but takes the file "-" from
// Text or Stdin, and not from the process's standard input.
func (c *Compose) loadStandardInput(ctx context.Context, options *cli.ProjectOptions) (*types.Project, error) {
	text := []byte(c.Text)
	if c.Text == "" && c.Stdin != nil {
		var err error
		if text, err = io.ReadAll(c.Stdin); err != nil {
			return nil, err
		}
	}
	dir, err := options.GetWorkingDir()
	if err != nil {
		return nil, err
	}
	var files []types.ConfigFile
	for _, path := range options.ConfigPaths {
		file := types.ConfigFile{Filename: path}
		if path == standardInput {
			file.Content = text
		}
		files = append(files, file)
	}
	project, err := loader.LoadWithContext(ctx, types.ConfigDetails{WorkingDir: dir, ConfigFiles: files, Environment: options.Environment}, func(o *loader.Options) {
		o.SkipResolveEnvironment = true
		o.Profiles = c.Profiles
		if len(o.Profiles) == 0 {
			o.Profiles = strings.Split(strings.ReplaceAll(options.Environment["COMPOSE_PROFILES"], " ", ""), ",")
		}
		if name := cmp.Or(c.Project, options.Environment["COMPOSE_PROJECT_NAME"]); name != "" {
			o.SetProjectName(name, true)
		} else {
			o.SetProjectName(loader.NormalizeProjectName(filepath.Base(dir)), false) // unless a file names it
		}
	})
	if err != nil {
		return nil, err
	}
	project.ComposeFiles = options.ConfigPaths
	return project, nil
}
