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

// Endpoints is every route whose calls are read. Of two rows that match, the
// first is taken.
var Endpoints = []Endpoint{
	{"POST", "/containers/create", "container.create", containerCreate, Warns},
	{"POST", "/containers/{name:.*}/start", "container.start", containerStart, 0},
	{"POST", "/containers/{name:.*}/restart", "container.restart", containerRestart, 0},
	{"POST", "/containers/{name:.*}/update", "container.update", containerUpdate, Warns},
	{"POST", "/containers/{name:.*}/exec", "container.exec", containerExec, 0},
	{"POST", "/containers/{name:.*}/attach", "container.attach", containerEnter, Streams | Upgrades | Hijacks},
	{"GET", "/containers/{name:.*}/attach/ws", "container.attach", containerEnter, Streams | Upgrades},
	{"GET", "/containers/{name:.*}/archive", "container.archive", containerEnter, 0},
	{"PUT", "/containers/{name:.*}/archive", "container.archive", containerEnter, Streams},
	{"POST", "/containers/{name:.*}/checkpoints", "container.checkpoint", containerCheckpoint, 0},
	{"POST", "/exec/{id:.*}/start", "exec.start", nil, Streams | Upgrades | Hijacks}, // what it runs was read when the exec was created
	{"POST", "/commit", "container.commit", containerCommit, 0},

	{"POST", "/networks/create", "network.create", networkCreate, 0},
	{"POST", "/networks/{id:.*}/connect", "network.connect", networkConnect, 0},
}
