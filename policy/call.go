package policy

import (
	"net/netip"
	"time"
)

// Call is what every rule sees besides the claim.
type Call struct {
	Endpoint string // as in "container.create"; "" if safesock does not intercept the call
	Method   string
	Path     string // decoded, without the version
	Version  string // as in "1.51"; "" if the path has none
	Known    bool   // whether this version of safesock has reviewed the route and the API version

	Container Container
	Compose   Compose
	Build     Build
	Client    Client

	// Time is when the call came, for rules that expire.
	Time time.Time
	// Interface returns the addresses of a network interface of the host. A
	// rule that needs them denies its claims if Interface is nil, fails or
	// returns no address.
	Interface func(name string) ([]netip.Addr, error)
}

// Container is what a call says about the container it is about.
type Container struct {
	Name   string
	Image  string
	Labels map[string]string
}

// Compose is what Compose's labels say, empty if there are none.
type Compose struct {
	Project string
	Service string
	Files   string // comma-separated, as Compose writes them
	Dir     string // the project's working directory
}

// Build is what a call says about a build by BuildKit. The calls of one build have
// the same Ref. As JSON it has the names of the policy language.
type Build struct {
	Ref          string   `json:"ref,omitempty"`          // id that the client chose
	Frontend     string   `json:"frontend,omitempty"`     // "dockerfile.v0", or the image that is the frontend
	Context      string   `json:"context,omitempty"`      // name of the client's folder, or a URL
	Dockerfile   string   `json:"dockerfile,omitempty"`   // name of the file
	Target       string   `json:"target,omitempty"`       // stage
	Platforms    []string `json:"platforms,omitempty"`    // as in "linux/amd64"
	Tags         []string `json:"tags,omitempty"`         // names for the image
	Exporters    []string `json:"exporters,omitempty"`    // kinds of results, as in "image"
	Caches       []string `json:"caches,omitempty"`       // kinds of caches, as in "registry"
	Entitlements []string `json:"entitlements,omitempty"` // as in "network.host"
	Push         bool     `json:"push,omitempty"`         // whether the image is pushed
}

// Client is who made the call. The numbers are the socket's peer credentials.
// Each name has a look-up, which runs when a rule needs the name and may run
// more than once. A rule that needs a name denies its claims if the look-up is
// nil or fails.
type Client struct {
	UID, GID, PID int

	User    func() (string, error)   // the user's name
	Groups  func() ([]string, error) // names of the process's groups
	Command func() (string, error)   // the program's name, as in /proc/PID/comm
}

// Found returns a look-up whose result has been found already.
func Found[T any](result T) func() (T, error) {
	return func() (T, error) { return result, nil }
}

// normalized returns the call with its texts as HCL compares them.
func (c Call) normalized() *Call {
	normalize(&c.Endpoint, &c.Method, &c.Path, &c.Version, &c.Container.Name, &c.Container.Image,
		&c.Compose.Project, &c.Compose.Service, &c.Compose.Files, &c.Compose.Dir)
	normalize(&c.Build.Ref, &c.Build.Frontend, &c.Build.Context, &c.Build.Dockerfile, &c.Build.Target)
	for _, list := range []*[]string{&c.Build.Platforms, &c.Build.Tags, &c.Build.Exporters, &c.Build.Caches, &c.Build.Entitlements} {
		*list = normalizedList(*list)
	}
	c.Container.Labels = normalizedMap(c.Container.Labels)
	return &c
}
