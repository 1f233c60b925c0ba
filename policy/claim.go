package policy

import (
	"net/netip"
	"time"
)

// Kind names what a claim is about. It is the type of the policy's blocks.
type Kind string

// The kinds of claims.
const (
	KindPort      Kind = "port"
	KindNetwork   Kind = "network"
	KindMount     Kind = "mount"
	KindPrivilege Kind = "privilege"
	KindAPI       Kind = "api"
)

// A Claim is one thing that a call asks of the host: a Port, a Network, a
// Mount, a Privilege, or the call itself, API. As JSON it has the names of the
// policy language.
type Claim interface{ Kind() Kind }

// Port is a container port to be published on the host.
type Port struct {
	Container int    `json:"container"` // the port in the container; 0 if the call does not tell
	Protocol  string `json:"protocol"`  // "tcp", "udp" or "sctp"
	Host      string `json:"host"`      // the host port as the client wrote it: a number, a range, or "" for any free one
	IP        string `json:"ip"`        // the host address in its shortest spelling; "" if there is none, or none that an Engine can use
	Bindable  bool   `json:"bindable"`  // whether the API has a place for a host address
}

// Network is a way onto the host's networks that needs no published port.
type Network struct {
	Mode    string            `json:"mode"`              // "host", "macvlan", "ipvlan", "routed", "unprotected", …
	Name    string            `json:"name"`              // the network's name, "" if it has none
	Driver  string            `json:"driver"`            // the network's driver, "" for the Engine's default
	Options map[string]string `json:"options,omitempty"` // the network's driver options
}

// Mount is a path of the host that a container sees.
type Mount struct {
	Source   string `json:"source"` // absolute path on the host, symbolic links resolved where they could be
	Target   string `json:"target"` // path in the container
	ReadOnly bool   `json:"read_only"`
	Engine   bool   `json:"engine"` // Source is, or is a folder that holds, the socket of a container engine
	Socket   bool   `json:"socket"` // Source is the socket of the Engine that safesock guards: replace can be used
}

// Privilege is a right that reaches past the container.
type Privilege struct {
	Name  string `json:"name"`  // "privileged", "cap", "device", "pid", "ipc", "userns", "security_opt", "plugin", …
	Value string `json:"value"` // what is asked for: the capability, the device's path, …
}

// API is the call itself.
type API struct{}

func (Port) Kind() Kind      { return KindPort }
func (Network) Kind() Kind   { return KindNetwork }
func (Mount) Kind() Kind     { return KindMount }
func (Privilege) Kind() Kind { return KindPrivilege }
func (API) Kind() Kind       { return KindAPI }

// Call is what every rule sees besides the claim.
type Call struct {
	Endpoint string // "container.create", …; "" if the call is not one that safesock intercepts
	Method   string
	Path     string // decoded, without the version
	Version  string // "1.51"; "" if the path names none
	Known    bool   // whether this safesock has reviewed the route and the API version

	Container Container
	Compose   Compose
	Client    Client

	// Time is when the call came, for rules that expire.
	Time time.Time
	// Interface gives the addresses of a network interface of the host. A nil
	// func, or one that gives no address, denies the claims whose rule asks.
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

// Client is who made the call. Its numbers are the socket's peer credentials.
// Its names are looked up when a rule asks for them, each by a func that may be
// called more than once. One that is nil, or fails, denies the claims whose
// rule asks.
type Client struct {
	UID, GID, PID int

	User    func() (string, error)   // the user's name
	Groups  func() ([]string, error) // names of the process's groups
	Command func() (string, error)   // the program's name, as in /proc/PID/comm
}

// Known is a look-up of what is known already.
func Known[T any](found T) func() (T, error) {
	return func() (T, error) { return found, nil }
}
