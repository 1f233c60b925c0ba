package policy

import "errors"

// Mount is a path of the host that a container sees.
type Mount struct {
	Source   string `json:"source"` // absolute path on the host, symbolic links resolved where they could be
	Target   string `json:"target"` // path in the container; "" in a call that makes a volume
	ReadOnly bool   `json:"read_only"`
	Engine   bool   `json:"engine"` // Source is, or is a folder that holds, the socket of a container engine
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

// On is where in the container the path is mounted, as in " on /data".
func (m Mount) On() string {
	if m.Target == "" {
		return ""
	}
	return " on " + m.Target
}
