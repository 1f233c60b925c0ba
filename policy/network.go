package policy

import "fmt"

// Network is a way onto the host's networks that needs no published port.
type Network struct {
	Mode    string            `json:"mode"`              // "host", "macvlan", "ipvlan", "routed", "unprotected", …
	Name    string            `json:"name"`              // the network's name, "" if it has none
	Driver  string            `json:"driver"`            // the network's driver, "" for the Engine's default
	Options map[string]string `json:"options,omitempty"` // the network's driver options
}

func (Network) Kind() Kind { return KindNetwork }

func (n Network) Subject() string {
	if n.Name == "" || n.Name == n.Mode {
		return "the " + n.Mode + " network"
	}
	return fmt.Sprintf("the network %s (%s)", n.Name, n.Mode)
}

func (Network) Effect() string {
	return "lets other hosts reach its containers without a published port"
}

func (Network) Infinitive() string { return "be used" }

func (n Network) Title() string { return "network " + n.Mode }

func (n Network) Asked() string { return n.Name }

func (n Network) Written() string { return n.Name }
