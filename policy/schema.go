package policy

import (
	"fmt"
	"slices"
)

// Spec describes the policy language.
type Spec struct {
	Settings  []Setting // what may stand at the top of a file
	Rule      []Setting // what may stand in a rule
	Kinds     []KindSpec
	Objects   []Object // what every rule sees besides its claim
	Functions []Function
}

// Setting is an attribute of a file or of a rule.
type Setting struct {
	Name string
	Type string
	Doc  string
}

// KindSpec is one kind of claim: a type of block, and the object that its
// rules see under the same name.
type KindSpec struct {
	Kind       Kind
	Doc        string
	Actions    []Action
	Attributes []Attribute // none for api
}

// Object is a variable of every rule.
type Object struct {
	Name       string
	Doc        string
	Attributes []Attribute
}

// Attribute is one fact about a call or a claim.
type Attribute struct {
	Name   string
	Doc    string
	Values []string // every value that it can have; nil if they cannot be told
	Secret bool     // may hold secrets, which diagnostics do not print

	Example string // a condition with it

	usual func(Names) []string     // the values that it has today; others may come
	also  []string                 // what people write when they mean it
	odd   func(text string) string // why it never is a text, and what to write instead; "" if it may be that
	get   any                      // func(*scope) of int, string, bool or map[string]string, or of string or []string and an error
}

// Names are the words of the API that policies compare attributes with. This
// package knows none of them; it needs them to tell a misspelt one.
type Names struct {
	Endpoints  []string // of call.endpoint
	Modes      []string // of network.mode
	Privileges []string // of privilege.name
}

// Usual returns the values that the attribute has today, nil if it can have
// any. A later version may add others.
func (a Attribute) Usual(names Names) []string {
	if a.usual == nil {
		return nil
	}
	return a.usual(names)
}

// Type is the attribute's type in HCL's words.
func (a Attribute) Type() string { return typeOf(a.get).FriendlyName() }

// Schema is the language as this package reads it: every check of Parse
// works from it.
var Schema = Spec{
	Settings: []Setting{
		{"mode", "string", `"enforce", or "observe": report what would be done and forward every call as it came`},
		{"inherit", "bool", "false leaves the built-in policy out; what no rule decides is denied then"},
	},
	Rule: []Setting{
		{"when", "bool", "the rule decides the claims for which this holds; without it, all of its kind"},
		{"action", "string", "what to do about the claim"},
		{"to", "list of string", "for bind: the addresses to publish on; literals, interface(name), or both"},
		{"message", "string", "what the client is told besides"},
		{"expires", "string", "the time from which on the rule is skipped, as in \"2027-01-01T00:00:00Z\""},
	},
	Kinds: []KindSpec{
		{KindPort, "A port published on the host.", []Action{Allow, Warn, Bind, Deny}, portAttributes},
		{KindNetwork, "A way onto the host's networks without a published port.", []Action{Allow, Warn, Deny}, networkAttributes},
		{KindMount, "A path of the host in a container.", []Action{Allow, Warn, Replace, Deny}, mountAttributes},
		{KindPrivilege, "A right that reaches past the container.", []Action{Allow, Warn, Deny}, privilegeAttributes},
		{KindAPI, "The call itself, intercepted or not.", []Action{Allow, Warn, Deny}, nil},
	},
	Objects: []Object{
		{"call", "The API request.", callAttributes},
		{"container", "What the call says about its container.", containerAttributes},
		{"compose", "What Compose's labels say; empty for a container that is not Compose's.", composeAttributes},
		{"client", "Who made the call, from the socket's peer credentials.", clientAttributes},
	},
	Functions: functions,
}

var portAttributes = []Attribute{
	{Name: "container", Doc: "port in the container, 0 if the call does not tell", also: []string{"port", "number", "container_port", "target", "private"},
		Example: `port.container == 80`,
		get:     func(s *scope) int { return s.port.Container }},
	{Name: "protocol", Doc: "transport protocol", also: []string{"proto", "type"}, Values: []string{"tcp", "udp", "sctp"},
		Example: `port.protocol == "tcp"`,
		get:     func(s *scope) string { return s.port.Protocol }},
	{Name: "host", Doc: `port on the host as the client wrote it: "8080", a range as in "8000-8010", or "" for any free one`, also: []string{"host_port", "published", "public"},
		Example: `port.host == "8080"`,
		get:     func(s *scope) string { return s.port.Host }},
	{Name: "ip", Doc: `address on the host in its shortest spelling, "" if there is none`, also: []string{"hostip", "host_ip", "address", "addr"},
		odd: oddAddress, Example: `port.ip == "10.1.2.3"`,
		get: func(s *scope) string { return s.port.IP }},
	{Name: "scope", Doc: "what ip means: no usable address, every interface, this host alone, one address", Values: scopes,
		Example: `port.scope == "address"`,
		get:     func(s *scope) string { return s.portScope }},
	{Name: "bindable", Doc: "whether the call has a place for a host address; swarm's calls have none",
		Example: `port.bindable`,
		get:     func(s *scope) bool { return s.port.Bindable }},
}

var networkAttributes = []Attribute{
	{Name: "mode", Doc: "how the network reaches past published ports; container is that of one that the Engine does not know yet", also: []string{"network_mode", "type"},
		usual:   func(n Names) []string { return n.Modes },
		Example: `network.mode == "macvlan"`,
		get:     func(s *scope) string { return s.network.Mode }},
	{Name: "name", Doc: `the network's name, "" if it has none`,
		Example: `network.name == "shop_lan"`,
		get:     func(s *scope) string { return s.network.Name }},
	{Name: "driver", Doc: `the network's driver, "" for the Engine's default`,
		Example: `network.driver == "macvlan"`,
		get:     func(s *scope) string { return s.network.Driver }},
	{Name: "options", Doc: "the network's driver options", also: []string{"opts", "driver_opts"}, Secret: true,
		Example: `lookup(network.options, "parent", "") == "eth0"`,
		get:     func(s *scope) map[string]string { return s.network.Options }},
}

var mountAttributes = []Attribute{
	{Name: "source", Doc: "absolute path on the host, symbolic links resolved; fails if it cannot be looked at", also: []string{"src", "path", "host"},
		odd: oddSource, Example: `mount.source == "/run/docker.sock"`,
		get: func(s *scope) (string, error) { return s.mount.resolved() }},
	{Name: "target", Doc: "path in the container", also: []string{"dst", "destination"},
		Example: `mount.target == "/var/run/docker.sock"`,
		get:     func(s *scope) string { return s.mount.Target }},
	{Name: "read_only", Doc: "whether the container cannot write to it", also: []string{"readonly", "ro"},
		Example: `!mount.read_only`,
		get:     func(s *scope) bool { return s.mount.ReadOnly }},
	{Name: "engine", Doc: "whether source is, or is a folder that holds, the socket of an Engine or of containerd",
		Example: `mount.engine`,
		get:     func(s *scope) bool { return s.mount.Engine }},
	{Name: "socket", Doc: "whether source is the socket of the very Engine that safesock guards, which replace can put its own in place of",
		Example: `mount.socket`,
		get:     func(s *scope) bool { return s.mount.Socket }},
}

var privilegeAttributes = []Attribute{
	{Name: "name", Doc: "which right", also: []string{"kind", "type"},
		usual:   func(n Names) []string { return n.Privileges },
		Example: `privilege.name == "cap"`,
		get:     func(s *scope) string { return s.privilege.Name }},
	{Name: "value", Doc: "what is asked for: the capability, the device's path, …",
		odd: oddRight, Example: `privilege.value == "NET_ADMIN"`,
		get: func(s *scope) string { return s.privilege.Value }},
}

var callAttributes = []Attribute{
	{Name: "endpoint", Doc: `what is called, as in "container.create"; "" if safesock does not intercept it`, also: []string{"route", "operation"}, usual: func(n Names) []string { return n.Endpoints },
		Example: `call.endpoint == "container.create"`,
		get:     func(s *scope) string { return s.call.Endpoint }},
	{Name: "method", Doc: "HTTP method", also: []string{"verb"}, usual: func(Names) []string { return methods },
		Example: `call.method == "POST"`,
		get:     func(s *scope) string { return s.call.Method }},
	{Name: "path", Doc: "decoded path without the API version", also: []string{"url", "uri"},
		odd: oddPath, Example: `startswith(call.path, "/containers/")`,
		get: func(s *scope) string { return s.call.Path }},
	{Name: "version", Doc: `API version in the path, as in "1.51"; "" if it names none`, also: []string{"api_version"},
		odd: oddVersion, Example: `call.version == "1.51"`,
		get: func(s *scope) string { return s.call.Version }},
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
	{Name: "labels", Doc: "the container's labels", also: []string{"label"}, Secret: true,
		Example: `lookup(container.labels, "tier", "") == "edge"`,
		get:     func(s *scope) map[string]string { return s.call.Container.Labels }},
}

var composeAttributes = []Attribute{
	{Name: "project", Doc: "the project's name", also: []string{"name", "stack"},
		Example: `compose.project == "shop"`,
		get:     func(s *scope) string { return s.call.Compose.Project }},
	{Name: "service", Doc: "the service's name",
		Example: `compose.service == "web"`,
		get:     func(s *scope) string { return s.call.Compose.Service }},
	{Name: "files", Doc: "paths of the compose files, separated by commas", also: []string{"file", "config_files"},
		Example: `contains(split(",", compose.files), "/srv/shop/compose.yaml")`,
		get:     func(s *scope) string { return s.call.Compose.Files }},
	{Name: "dir", Doc: "the project's working directory", also: []string{"folder", "working_dir", "path"},
		Example: `compose.dir == "/srv/shop"`,
		get:     func(s *scope) string { return s.call.Compose.Dir }},
}

var clientAttributes = []Attribute{
	{Name: "uid", Doc: "user's number", Example: `client.uid == 1000`,
		get: func(s *scope) int { return s.call.Client.UID }},
	{Name: "gid", Doc: "number of the process's main group", Example: `client.gid == 1000`,
		get: func(s *scope) int { return s.call.Client.GID }},
	{Name: "user", Doc: "user's name; fails if nothing names the uid", also: []string{"username", "name"},
		Example: `client.user == "ann"`,
		get:     func(s *scope) (string, error) { return lookUp(s.call.Client.User) }},
	{Name: "groups", Doc: "names of the process's groups; fails if nothing names one of them", also: []string{"group"},
		Example: `contains(client.groups, "ops")`,
		get:     func(s *scope) ([]string, error) { return lookUpAll(s.call.Client.Groups) }},
	{Name: "pid", Doc: "process number", Example: `client.pid > 1`,
		get: func(s *scope) int { return s.call.Client.PID }},
	{Name: "command", Doc: `program's name, as in "docker"; fails if the process is gone or cannot be seen`, also: []string{"comm", "program", "process"},
		Example: `client.command == "docker"`,
		get:     func(s *scope) (string, error) { return lookUp(s.call.Client.Command) }},
}

// methods are those of HTTP.
var methods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"}

// Kind finds the description of a kind.
func (s Spec) Kind(k Kind) (KindSpec, bool) {
	i := slices.IndexFunc(s.Kinds, func(ks KindSpec) bool { return ks.Kind == k })
	if i < 0 {
		return KindSpec{}, false
	}
	return s.Kinds[i], true
}

// object finds what a rule of a kind sees under a name. A kind of "" sees no
// claim.
func (s Spec) object(k Kind, name string) (Object, bool) {
	for _, o := range s.objects(k) {
		if o.Name == name {
			return o, true
		}
	}
	return Object{}, false
}

// objects are what a rule of a kind sees, its own claim first.
func (s Spec) objects(k Kind) []Object {
	ks, ok := s.Kind(k)
	if !ok || len(ks.Attributes) == 0 {
		return s.Objects
	}
	return append([]Object{{string(k), ks.Doc, ks.Attributes}}, s.Objects...)
}

func (o Object) attribute(name string) (Attribute, bool) {
	i := slices.IndexFunc(o.Attributes, func(a Attribute) bool { return a.Name == name })
	if i < 0 {
		return Attribute{}, false
	}
	return o.Attributes[i], true
}

// actionNamed finds an action by its name.
func actionNamed(name string) (Action, error) {
	for a := Deny; a <= Replace; a++ {
		if a.String() == name {
			return a, nil
		}
	}
	return Deny, fmt.Errorf("there is no action %q", name)
}
