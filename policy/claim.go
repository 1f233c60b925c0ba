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
// policy language. Each kind has a file of its own. The file holds the words in
// which messages speak of the claim ("SUBJECT EFFECT", "SUBJECT may not
// INFINITIVE") and the words in which tables show it ("TITLE | ASKED").
type Claim interface {
	Kind() Kind
	Subject() string    // what the claim is about, as in "80/tcp"
	Effect() string     // what comes of it, as in "is published on every interface"
	Infinitive() string // what it asks for, as in "be published on every interface"

	Title() string   // kind and subject in a column of a table, as in "port 80/tcp"
	Asked() string   // what is asked for in a column of a table, as in "*:8080"; "" if Title says all
	Written() string // the part of the claim that its author writes down, to find its line; "" if there is none
}

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
