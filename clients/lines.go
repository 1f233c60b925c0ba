package clients

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"
)

// composeLines finds the lines of compose files from which the values of a call's
// body were made. Compose loses the lines when it resolves variables, overrides and
// includes. So the files are read once more, and searched for what was resolved.
type composeLines struct {
	project *types.Project
	files   []composeFile // later ones override earlier ones
	mappings
	known map[string]keyLines // by section, service and key
}

type composeFile struct {
	name string
	root *yaml.Node
}

// keyLines are the lines of a service's key.
type keyLines struct {
	service, key Position            // zero if no file has it
	entries      map[string]Position // by the names of entryNames
}

// readLines reads a project's files again, and the files that they include or
// extend.
func readLines(project *types.Project) *composeLines {
	lines := &composeLines{project: project, mappings: mappings{}, known: map[string]keyLines{}}
	seen := map[string]bool{}
	for _, name := range project.ComposeFiles {
		lines.read(name, seen)
	}
	return lines
}

func (l *composeLines) read(name string, seen map[string]bool) {
	if seen[name] {
		return
	}
	seen[name] = true
	src, err := os.ReadFile(name)
	if err != nil {
		return // standard input, or a file of another machine, has no lines
	}
	var document yaml.Node
	if yaml.Unmarshal(src, &document) != nil || len(document.Content) == 0 {
		return
	}
	root := document.Content[0]
	dir := filepath.Dir(name)
	_, include := l.child(root, "include")
	for _, each := range items(include) {
		if _, path := l.child(each, "path"); path != nil {
			each = path
		}
		for _, file := range items(each) {
			l.read(l.path(dir, file.Value), seen)
		}
	}
	_, services := l.child(root, "services")
	for _, service := range values(services) {
		if _, extends := l.child(service, "extends"); extends != nil {
			if _, file := l.child(extends, "file"); file != nil {
				l.read(l.path(dir, file.Value), seen)
			}
		}
	}
	l.files = append(l.files, composeFile{shortPath(name), root})
}

func (l *composeLines) path(dir, name string) string {
	name = l.text(name)
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// text returns a value with its variables resolved.
func (l *composeLines) text(value string) string {
	if resolved, err := template.Substitute(value, l.project.Environment.Resolve); err == nil {
		return resolved
	}
	return value
}

// under returns a func that finds the line of a key for every value.
func (l *composeLines) under(path ...string) func(pointer string) Position {
	return func(string) Position {
		for depth := len(path); depth > 0; depth-- {
			if found, _ := l.find(path[:depth]...); found != (Position{}) {
				return found
			}
		}
		return Position{}
	}
}

// find returns the line and the value of a key in the last file that has the key.
func (l *composeLines) find(path ...string) (Position, *yaml.Node) {
	for _, file := range slices.Backward(l.files) {
		var key *yaml.Node
		node := file.root
		for _, name := range path {
			if key, node = l.child(node, name); node == nil {
				break
			}
		}
		if node != nil {
			return Position{file.name, key.Line}, node
		}
	}
	return Position{}, nil
}

// ofWorkload returns a func that finds lines for the body that creates the container
// of a service or a job, which is in the section. It finds the entry from which the
// value was made, or else the key, or else the workload.
func (l *composeLines) ofWorkload(section string, service types.ServiceConfig, body createBody) func(pointer string) Position {
	return func(pointer string) Position {
		key, entry := madeFrom(service, &body, pointer)
		lines := l.linesOf(section, service.Name, key)
		for _, found := range []Position{lines.entries[entry], lines.key} {
			if found != (Position{}) {
				return found
			}
		}
		return lines.service
	}
}

// linesOf returns the lines of a service's key. A service takes precedence over
// what it extends, and a later file over an earlier file.
func (l *composeLines) linesOf(section, service, key string) keyLines {
	id := strings.Join([]string{section, service, key}, "\x00")
	if lines, ok := l.known[id]; ok {
		return lines
	}
	lines := keyLines{entries: map[string]Position{}}
	for _, name := range l.lineage(section, service) {
		for _, file := range slices.Backward(l.files) {
			_, workloads := l.child(file.root, section)
			at, node := l.child(workloads, name)
			if node == nil {
				continue
			}
			if lines.service == (Position{}) {
				lines.service = Position{file.name, at.Line}
			}
			at, node = l.child(node, key)
			if node == nil {
				continue
			}
			if lines.key == (Position{}) {
				lines.key = Position{file.name, at.Line}
			}
			for _, entry := range entries(node) {
				for _, name := range l.entryNames(key, entry) {
					if _, ok := lines.entries[name]; !ok {
						lines.entries[name] = Position{file.name, entry.Line}
					}
				}
			}
		}
	}
	l.known[id] = lines
	return lines
}

// lineage returns a service or job, and then what it extends.
func (l *composeLines) lineage(section, service string) []string {
	names := []string{service}
	for i := 0; i < len(names) && i < 32; i++ {
		_, extends := l.find(section, names[i], "extends")
		if extends == nil {
			continue
		}
		if _, name := l.child(extends, "service"); name != nil {
			extends = name
		}
		if extends.Kind == yaml.ScalarNode && extends.Value != names[i] {
			names = append(names, extends.Value)
		}
	}
	return names
}

// entryNames returns the names that madeFrom can give an entry of a key.
func (l *composeLines) entryNames(key string, entry *yaml.Node) []string {
	text, isMapping := l.text(entry.Value), entry.Kind == yaml.MappingNode
	switch {
	case key == "ports" && isMapping:
		return []string{portName(l.field(entry, "target")+"/"+orTCP(l.field(entry, "protocol")), l.field(entry, "host_ip"), l.field(entry, "published"))}
	case key == "ports":
		ports, _ := types.ParsePortConfig(text) // without an error: Compose has read it
		var names []string
		for _, each := range ports {
			names = append(names, portName(string(portKey(each)), each.HostIP, each.Published))
		}
		return names
	case key == "networks":
		return []string{l.project.Networks[text].Name}
	case key == "volumes" && isMapping:
		return []string{l.field(entry, "target")}
	case key == "volumes":
		return strings.Split(text, ":")
	case key == "devices" && isMapping:
		return []string{l.field(entry, "source")}
	}
	name, _, _ := strings.Cut(text, "=")
	path, _, _ := strings.Cut(text, ":")
	return []string{text, name, path}
}

func (l *composeLines) field(node *yaml.Node, name string) string {
	if _, value := l.child(node, name); value != nil {
		return l.text(value.Value)
	}
	return ""
}

// shortPath returns a path relative to the current folder if it is inside.
func shortPath(path string) string {
	if here, err := os.Getwd(); err == nil {
		if short, err := filepath.Rel(here, path); err == nil && !strings.HasPrefix(short, "..") {
			return short
		}
	}
	return path
}
