package policy

import (
	"regexp"
	"strings"
)

var callAttributes = []Attribute{
	{Name: "endpoint", Doc: `what is called, as in "container.create"; "" if safesock does not intercept it`, synonyms: []string{"route", "operation"},
		names:   func(n Names) []string { return n.Endpoints },
		Example: `call.endpoint == "container.create"`,
		get:     func(s *scope) string { return s.call.Endpoint }},
	{Name: "method", Doc: "HTTP method", synonyms: []string{"verb"},
		names:   func(Names) []string { return methods },
		Example: `call.method == "POST"`,
		get:     func(s *scope) string { return s.call.Method }},
	{Name: "path", Doc: "decoded path without the API version", synonyms: []string{"url", "uri"},
		spelling: spellPath, Example: `startswith(call.path, "/containers/")`,
		get: func(s *scope) string { return s.call.Path }},
	{Name: "version", Doc: `API version in the path, as in "1.51"; "" if it names none`, synonyms: []string{"api_version"},
		spelling: func(text string) string { return strings.TrimPrefix(text, "v") },
		advice:   "As numbers, 1.9 is greater than 1.24. Use call.known.",
		Example:  `call.version == "1.51"`,
		get:      func(s *scope) string { return s.call.Version }},
	{Name: "known", Doc: "whether this safesock has reviewed the route and the API version; false for newer ones",
		Example: `call.known`,
		get:     func(s *scope) bool { return s.call.Known }},
}

var containerAttributes = []Attribute{
	{Name: "name", Doc: `the container's name, "" if the Engine is to choose one`,
		Example: `container.name == "web-1"`,
		get:     func(s *scope) string { return s.call.Container.Name }},
	{Name: "image", Doc: "the image as the client wrote it",
		Example: `glob("ghcr.io/acme/*", container.image)`,
		get:     func(s *scope) string { return s.call.Container.Image }},
	{Name: "labels", Doc: "the container's labels", synonyms: []string{"label"}, Secret: true,
		Example: `lookup(container.labels, "tier", "") == "edge"`,
		get:     func(s *scope) map[string]string { return s.call.Container.Labels }},
}

var composeAttributes = []Attribute{
	{Name: "project", Doc: "the project's name", synonyms: []string{"name", "stack"},
		Example: `compose.project == "shop"`,
		get:     func(s *scope) string { return s.call.Compose.Project }},
	{Name: "service", Doc: "the service's name",
		Example: `compose.service == "web"`,
		get:     func(s *scope) string { return s.call.Compose.Service }},
	{Name: "files", Doc: "paths of the compose files, separated by commas", synonyms: []string{"file", "config_files"},
		Example: `contains(split(",", compose.files), "/srv/shop/compose.yaml")`,
		get:     func(s *scope) string { return s.call.Compose.Files }},
	{Name: "dir", Doc: "the project's working directory", synonyms: []string{"folder", "working_dir", "path"},
		Example: `compose.dir == "/srv/shop"`,
		get:     func(s *scope) string { return s.call.Compose.Dir }},
}

var buildAttributes = []Attribute{
	{Name: "ref", Doc: "the build's id, which the client chose",
		Example: `build.ref == "x1y2z3"`,
		get:     func(s *scope) string { return s.call.Build.Ref }},
	{Name: "frontend", Doc: `"dockerfile.v0", or the image that is the frontend; "" if the call names none`,
		Example: `build.frontend == "dockerfile.v0"`,
		get:     func(s *scope) string { return s.call.Build.Frontend }},
	{Name: "context", Doc: "name of the client's folder, or a URL",
		Example: `startswith(build.context, "https://")`,
		get:     func(s *scope) string { return s.call.Build.Context }},
	{Name: "dockerfile", Doc: "name of the file", synonyms: []string{"filename", "file"},
		Example: `build.dockerfile == "Dockerfile"`,
		get:     func(s *scope) string { return s.call.Build.Dockerfile }},
	{Name: "target", Doc: "the stage that is built", synonyms: []string{"stage"},
		Example: `build.target == "release"`,
		get:     func(s *scope) string { return s.call.Build.Target }},
	{Name: "platforms", Doc: "the platforms that are built for", synonyms: []string{"platform"},
		Example: `contains(build.platforms, "linux/amd64")`,
		get:     func(s *scope) ([]string, error) { return s.call.Build.Platforms, nil }},
	{Name: "tags", Doc: "names for the image", synonyms: []string{"tag", "names"},
		Example: `contains(build.tags, "shop:latest")`,
		get:     func(s *scope) ([]string, error) { return s.call.Build.Tags, nil }},
	{Name: "exporters", Doc: `kinds of results, as in "moby" or "local"`, synonyms: []string{"outputs"},
		Example: `contains(build.exporters, "local")`,
		get:     func(s *scope) ([]string, error) { return s.call.Build.Exporters, nil }},
	{Name: "caches", Doc: `kinds of caches that are read or written, as in "registry"`,
		Example: `contains(build.caches, "registry")`,
		get:     func(s *scope) ([]string, error) { return s.call.Build.Caches, nil }},
	{Name: "entitlements", Doc: `what the build's steps may ask for, as in "network.host"`, synonyms: []string{"allow"},
		Example: `contains(build.entitlements, "network.host")`,
		get:     func(s *scope) ([]string, error) { return s.call.Build.Entitlements, nil }},
	{Name: "push", Doc: "whether the image is pushed to a registry",
		Example: `build.push`,
		get:     func(s *scope) bool { return s.call.Build.Push }},
}

var clientAttributes = []Attribute{
	{Name: "uid", Doc: "user's number", Example: `client.uid == 1000`,
		get: func(s *scope) int { return s.call.Client.UID }},
	{Name: "gid", Doc: "number of the process's main group", Example: `client.gid == 1000`,
		get: func(s *scope) int { return s.call.Client.GID }},
	{Name: "user", Doc: "user's name; fails if nothing names the uid", synonyms: []string{"username", "name"},
		Example: `client.user == "ann"`,
		get:     func(s *scope) (string, error) { return lookUp(s.call.Client.User) }},
	{Name: "groups", Doc: "names of the process's groups; fails if nothing names one of them", synonyms: []string{"group"},
		Example: `contains(client.groups, "ops")`,
		get:     func(s *scope) ([]string, error) { return lookUpAll(s.call.Client.Groups) }},
	{Name: "pid", Doc: "process number", Example: `client.pid > 1`,
		get: func(s *scope) int { return s.call.Client.PID }},
	{Name: "command", Doc: `program's name, as in "docker"; fails if the process is gone or cannot be seen`, synonyms: []string{"comm", "program", "process"},
		Example: `client.command == "docker"`,
		get:     func(s *scope) (string, error) { return lookUp(s.call.Client.Command) }},
}

// methods are those of HTTP.
var methods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"}

var apiVersion = regexp.MustCompile(`^/v[0-9.]+/`)

// spellPath returns a path without API version and query, with a slash at its
// beginning.
func spellPath(text string) string {
	if text == "" {
		return ""
	}
	path, _, _ := strings.Cut(apiVersion.ReplaceAllString(text, "/"), "?")
	return "/" + strings.TrimPrefix(path, "/")
}
