package clients

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-connections/nat"
	"go.yaml.in/yaml/v4"
)

// composeLines finds the lines of compose files that made a claim. Compose
// itself forgets them while it resolves variables, overrides and includes, so
// the files are read once more, and searched for what was resolved.
type composeLines struct {
	project *types.Project
	files   []composeFile // later ones override earlier ones
}

type composeFile struct {
	name string
	root *yaml.Node
}

// keyOf are the keys of a service by the field of HostConfig that they become.
var keyOf = map[string]string{
	"Privileged": "privileged", "CapAdd": "cap_add", "SecurityOpt": "security_opt", "Runtime": "runtime",
	"Devices": "devices", "DeviceCgroupRules": "device_cgroup_rules", "DeviceRequests": "gpus",
	"PidMode": "pid", "IpcMode": "ipc", "UTSMode": "uts", "UsernsMode": "userns_mode", "CgroupnsMode": "cgroup",
	"CgroupParent": "cgroup_parent", "Sysctls": "sysctls", "Annotations": "annotations", "VolumeDriver": "volume_driver",
	"VolumesFrom": "volumes_from",
}

// readLines reads a project's files again, and those that they include
// or extend.
func readLines(project *types.Project) *composeLines {
	lines := &composeLines{project: project}
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
		return // standard input, or a file of another machine: no lines from it
	}
	var document yaml.Node
	if yaml.Unmarshal(src, &document) != nil || len(document.Content) == 0 {
		return
	}
	root := document.Content[0]
	dir := filepath.Dir(name)
	_, include := child(root, "include")
	for _, each := range items(include) {
		if _, path := child(each, "path"); path != nil {
			each = path
		}
		for _, file := range items(each) {
			l.read(l.path(dir, file.Value), seen)
		}
	}
	_, services := child(root, "services")
	for _, service := range values(services) {
		if _, extends := child(service, "extends"); extends != nil {
			if _, file := child(extends, "file"); file != nil {
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

// text is a value with its variables resolved.
func (l *composeLines) text(value string) string {
	if resolved, err := template.Substitute(value, l.project.Environment.Resolve); err == nil {
		return resolved
	}
	return value
}

// under places every claim at the line of a key.
func (l *composeLines) under(path ...string) func(Claim) Position {
	return func(Claim) Position {
		for depth := len(path); depth > 0; depth-- {
			if found, _ := l.find(path[:depth]...); found != (Position{}) {
				return found
			}
		}
		return Position{}
	}
}

// find looks for a key in the last file that has it.
func (l *composeLines) find(path ...string) (Position, *yaml.Node) {
	for i := len(l.files) - 1; i >= 0; i-- {
		var key *yaml.Node
		node := l.files[i].root
		for _, name := range path {
			if key, node = child(node, name); node == nil {
				break
			}
		}
		if node != nil {
			return Position{l.files[i].name, key.Line}, node
		}
	}
	return Position{}, nil
}

// ofWorkload places the claims of the create call of a service or a job, by
// the section that it is in.
func (l *composeLines) ofWorkload(section string, service types.ServiceConfig, body createBody) func(Claim) Position {
	return func(claim Claim) Position {
		_, field, _ := strings.Cut(strings.TrimPrefix(claim.Pointer, "/"), "/")
		field, _, _ = strings.Cut(field, "/")
		switch claim.Kind {
		case "port":
			if port, binding, ok := bindingAt(body, claim.Pointer); ok {
				return l.entry(section, service.Name, "ports", func(node *yaml.Node) bool { return l.publishes(node, port, binding) })
			}
			return l.entry(section, service.Name, "ports", func(*yaml.Node) bool { return false })
		case "network":
			if service.NetworkMode != "" {
				return l.entry(section, service.Name, "network_mode", nil)
			}
			return l.entry(section, service.Name, "networks", func(node *yaml.Node) bool {
				return l.project.Networks[node.Value].Name == claim.Text
			})
		case "mount":
			if field == "VolumesFrom" {
				return l.entry(section, service.Name, keyOf[field], nil)
			}
			if service.UseAPISocket && claim.Text == "/var/run/docker.sock" {
				return l.entry(section, service.Name, "use_api_socket", nil)
			}
			return l.entry(section, service.Name, "volumes", func(node *yaml.Node) bool { return l.mounts(node, claim.Text) })
		case "privilege":
			return l.entry(section, service.Name, keyOf[field], func(node *yaml.Node) bool {
				text := strings.ReplaceAll(l.text(node.Value), ":", "=")
				return strings.Contains(strings.ToUpper(text), strings.ToUpper(strings.ReplaceAll(claim.Text, ":", "=")))
			})
		default:
			if field == "PortBindings" { // a port that is not published
				return l.entry(section, service.Name, "ports", nil)
			}
		}
		return l.under(section, service.Name)(claim)
	}
}

// entry finds the entry of a service's key that match accepts, in the service
// or what it extends; else the key, else the service.
func (l *composeLines) entry(section, service, key string, match func(*yaml.Node) bool) Position {
	fallback := Position{}
	for _, name := range l.lineage(section, service) {
		for i := len(l.files) - 1; i >= 0; i-- {
			_, workloads := child(l.files[i].root, section)
			at, node := child(workloads, name)
			if node == nil {
				continue
			}
			if fallback == (Position{}) {
				fallback = Position{l.files[i].name, at.Line}
			}
			at, node = child(node, key)
			if node == nil {
				continue
			}
			here := Position{l.files[i].name, at.Line}
			if match == nil {
				return here
			}
			for _, item := range entries(node) {
				if match(item) {
					return Position{l.files[i].name, item.Line}
				}
			}
			fallback = here
		}
	}
	return fallback
}

// lineage is a service or job and what it extends.
func (l *composeLines) lineage(section, service string) []string {
	names := []string{service}
	for i := 0; i < len(names) && i < 32; i++ {
		_, extends := l.find(section, names[i], "extends")
		if extends == nil {
			continue
		}
		if _, name := child(extends, "service"); name != nil {
			extends = name
		}
		if extends.Kind == yaml.ScalarNode && extends.Value != names[i] {
			names = append(names, extends.Value)
		}
	}
	return names
}

// bindingAt returns the port and the binding of a create body that a pointer
// names.
func bindingAt(body createBody, pointer string) (nat.Port, nat.PortBinding, bool) {
	rest, ok := strings.CutPrefix(pointer, "/HostConfig/PortBindings/")
	steps := strings.Split(rest, "/")
	if !ok || len(steps) < 2 {
		return "", nat.PortBinding{}, false
	}
	index, err := strconv.Atoi(steps[1])
	port := nat.Port(strings.ReplaceAll(steps[0], "~1", "/"))
	bindings := body.HostConfig.PortBindings[port]
	if err != nil || index >= len(bindings) {
		return "", nat.PortBinding{}, false
	}
	return port, bindings[index], true
}

// publishes reports whether an entry of ports is, or contains, a binding.
func (l *composeLines) publishes(node *yaml.Node, port nat.Port, binding nat.PortBinding) bool {
	if node.Kind == yaml.MappingNode {
		protocol := orTCP(l.field(node, "protocol"))
		return l.field(node, "target") == port.Port() && protocol == port.Proto() &&
			l.field(node, "published") == binding.HostPort && l.field(node, "host_ip") == binding.HostIP
	}
	ports, err := types.ParsePortConfig(l.text(node.Value))
	if err != nil {
		return false
	}
	for _, each := range ports {
		if portKey(each) == port && each.Published == binding.HostPort && each.HostIP == binding.HostIP {
			return true
		}
	}
	return false
}

// mounts reports whether an entry of volumes is mounted at a path of the
// container.
func (l *composeLines) mounts(node *yaml.Node, target string) bool {
	if node.Kind == yaml.MappingNode {
		return l.field(node, "target") == target
	}
	for _, part := range strings.Split(l.text(node.Value), ":") {
		if part == target {
			return true
		}
	}
	return false
}

func (l *composeLines) field(node *yaml.Node, name string) string {
	if _, value := child(node, name); value != nil {
		return l.text(value.Value)
	}
	return ""
}

// child finds a member of a mapping, through aliases and merge keys.
func child(node *yaml.Node, name string) (key, value *yaml.Node) {
	node = target(node)
	if node == nil || node.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i], target(node.Content[i+1])
		}
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value != "<<" {
			continue
		}
		for _, merged := range items(node.Content[i+1]) {
			if key, value = child(merged, name); value != nil {
				return key, value
			}
		}
	}
	return nil, nil
}

// items are a sequence's entries, or the one entry that stands for a sequence.
func items(node *yaml.Node) []*yaml.Node {
	node = target(node)
	if node == nil {
		return nil
	}
	if node.Kind != yaml.SequenceNode {
		return []*yaml.Node{node}
	}
	var found []*yaml.Node
	for _, each := range node.Content {
		found = append(found, target(each))
	}
	return found
}

// entries are a sequence's entries, or a mapping's keys.
func entries(node *yaml.Node) []*yaml.Node {
	if node = target(node); node == nil || node.Kind != yaml.MappingNode {
		return items(node)
	}
	var keys []*yaml.Node
	for i := 0; i < len(node.Content); i += 2 {
		keys = append(keys, node.Content[i])
	}
	return keys
}

// values are the values of a mapping.
func values(node *yaml.Node) []*yaml.Node {
	var found []*yaml.Node
	if node = target(node); node != nil && node.Kind == yaml.MappingNode {
		for i := 1; i < len(node.Content); i += 2 {
			found = append(found, target(node.Content[i]))
		}
	}
	return found
}

// target is what an alias stands for, or the node itself.
func target(node *yaml.Node) *yaml.Node {
	if node != nil && node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// shortPath writes a path relative to the current folder if it is in it.
func shortPath(path string) string {
	if here, err := os.Getwd(); err == nil {
		if short, err := filepath.Rel(here, path); err == nil && !strings.HasPrefix(short, "..") {
			return short
		}
	}
	return path
}
