package rewrite

// Endpoint is one intercepted route of the Engine's API.
type Endpoint struct {
	Method string
	Path   string // gorilla/mux pattern without the version, as moby writes it
	Name   string // for rules and logs, as in "container.create"
	read   reader
	Traits Traits
}

// Traits tell how an endpoint's bytes have to be moved.
type Traits uint8

const (
	Streams  Traits = 1 << iota // the request's body is not read: it can be endless
	Upgrades                    // the connection may become a raw stream, by a 101
	Hijacks                     // it may become one by a 200 too, as attach and exec start do without an Upgrade field
	Warns                       // the answer has a place for warnings
)

// reader turns one call into claims. It is named after its endpoint.
type reader func(*call) error
