package policy

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// KindMount is the kind of Mount.
const KindMount Kind = "mount"

// Mount is a path of the host that a container sees.
type Mount struct {
	Source   string `json:"source"` // absolute path on the host, with symbolic links resolved where possible
	Target   string `json:"target"` // path in the container; "" in a call that makes a volume
	ReadOnly bool   `json:"read_only"`
	Engine   bool   `json:"engine"` // Source is the socket of a container engine, or a folder that holds one
	Socket   bool   `json:"socket"` // Source is the socket of the Engine that safesock guards: replace can be used

	// Unseen is why nobody can tell where Source leads, "" if it is resolved. A
	// rule that asks for Source denies the claim then.
	Unseen string `json:"unseen,omitempty"`
}

func (Mount) Kind() Kind { return KindMount }

func (m Mount) Subject() string { return m.Source }

func (m Mount) Effect() string {
	switch {
	case m.Engine && m.Unseen != "":
		return "is mounted" + m.On() + ", and may give access to a container engine, as safesock cannot see where it leads (" + m.Unseen + ")"
	case m.Engine:
		return "is mounted" + m.On() + ", and gives access to a container engine"
	}
	return "is mounted" + m.On()
}

// resolved is the path behind Source.
func (m Mount) resolved() (string, error) {
	if m.Unseen != "" {
		return "", errors.New(m.Unseen)
	}
	return m.Source, nil
}

func (m Mount) Infinitive() string { return "be mounted" + m.On() }

func (m Mount) Title() string { return "mount " + m.Source }

func (m Mount) Asked() string {
	if m.ReadOnly {
		return strings.TrimSpace(m.Target + " (ro)")
	}
	return strings.TrimSpace(m.Target + " (rw)")
}

func (m Mount) Written() string { return m.Target }

// On says where in the container the path is mounted, as in " on /data".
func (m Mount) On() string {
	if m.Target == "" {
		return ""
	}
	return " on " + m.Target
}

func (m Mount) irreplaceable() string {
	if m.Socket {
		return ""
	}
	return "only the socket of the Engine that safesock guards can be replaced"
}

func (m Mount) facts(kept any) any {
	normalize(&m.Source, &m.Target)
	room := roomFor[Mount](kept)
	*room = m
	return room
}

var mountKind = KindSpec{KindMount, "A path of the host in a container.", []Action{Allow, Warn, Replace, Deny}, []Attribute{
	{Name: "source", Doc: "absolute path on the host, symbolic links resolved; fails if it cannot be looked at", synonyms: []string{"src", "path", "host"},
		spelling: spellSource, suspect: suspectSource,
		advice:  "A home folder is not looked up: write its absolute path.",
		Example: `mount.source == "/run/docker.sock"`,
		get:     func(s *scope) (string, error) { return s.claim.(*Mount).resolved() }},
	{Name: "target", Doc: "path in the container", synonyms: []string{"dst", "destination"},
		Example: `mount.target == "/var/run/docker.sock"`,
		get:     fact(func(m *Mount) string { return m.Target })},
	{Name: "read_only", Doc: "whether the container cannot write to it", synonyms: []string{"readonly", "ro"},
		Example: `!mount.read_only`,
		get:     fact(func(m *Mount) bool { return m.ReadOnly })},
	{Name: "engine", Doc: "whether source is, or is a folder that holds, the socket of an Engine or of containerd",
		Example: `mount.engine`,
		get:     fact(func(m *Mount) bool { return m.Engine })},
	{Name: "socket", Doc: "whether source is the socket of the very Engine that safesock guards, which replace can put another in place of",
		Example: `mount.socket`,
		get:     fact(func(m *Mount) bool { return m.Socket })},
}}

// spellSource returns a path as mount.source spells it, "" for a path in a home
// folder that has to be looked up.
func spellSource(text string) string {
	switch {
	case strings.HasPrefix(text, "~"):
		return ""
	case path.IsAbs(text):
		return path.Clean(text)
	}
	return text
}

// suspectSource says why mount.source is hardly ever a path that leads through
// a symbolic link on most hosts.
func suspectSource(text string) string {
	if !strings.HasPrefix(text, "/var/run/") {
		return ""
	}
	return fmt.Sprintf("/var/run is a symbolic link on most hosts, and symbolic links are resolved. Write %q, or mount.socket for the Engine's socket.", strings.TrimPrefix(text, "/var"))
}
