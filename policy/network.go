package policy

import "fmt"

// KindNetwork is the kind of Network.
const KindNetwork Kind = "network"

// Network is a way onto the host's networks that needs no published port.
type Network struct {
	Mode    string            `json:"mode"`              // how it gets there; callers of Parse name the modes that there are
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

func (n Network) facts(kept any) any {
	normalize(&n.Mode, &n.Name, &n.Driver)
	n.Options = normalizedMap(n.Options)
	room := roomFor[Network](kept)
	*room = n
	return room
}

var networkKind = KindSpec{KindNetwork, "A way onto the host's networks without a published port.", []Action{Allow, Warn, Deny}, []Attribute{
	{Name: "mode", Doc: "how the network reaches past published ports; container is that of one that the Engine does not know yet", synonyms: []string{"network_mode", "type"},
		names:   func(n Names) []string { return n.Modes },
		Example: `network.mode == "macvlan"`,
		get:     fact(func(n *Network) string { return n.Mode })},
	{Name: "name", Doc: `the network's name, "" if it has none`,
		Example: `network.name == "shop_lan"`,
		get:     fact(func(n *Network) string { return n.Name })},
	{Name: "driver", Doc: `the network's driver, "" for the Engine's default`,
		Example: `network.driver == "macvlan"`,
		get:     fact(func(n *Network) string { return n.Driver })},
	{Name: "options", Doc: "the network's driver options", synonyms: []string{"opts", "driver_opts"}, Secret: true,
		Example: `lookup(network.options, "parent", "") == "eth0"`,
		get:     fact(func(n *Network) map[string]string { return n.Options })},
}}
