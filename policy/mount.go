package policy

import "strings"

// Mount is a path of the host that a container sees.
type Mount struct {
	Source   string `json:"source"` // absolute path on the host, symbolic links resolved where they could be
	Target   string `json:"target"` // path in the container; "" in a call that makes a volume
	ReadOnly bool   `json:"read_only"`
	Engine   bool   `json:"engine"` // Source is, or is a folder that holds, the socket of a container engine
	Socket   bool   `json:"socket"` // Source is the socket of the Engine that safesock guards: replace can be used
}

func (Mount) Kind() Kind { return KindMount }

func (m Mount) Subject() string { return m.Source }

func (m Mount) Effect() string {
	if m.Engine {
		return "is mounted" + m.On() + ", and gives access to a container engine"
	}
	return "is mounted" + m.On()
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

// On is where in the container the path is mounted, as in " on /data".
func (m Mount) On() string {
	if m.Target == "" {
		return ""
	}
	return " on " + m.Target
}
