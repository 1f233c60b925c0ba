package rewrite

import (
	"slices"

	"github.com/safesock/safesock/policy"
)

// Names are the names that endpoints and claims have, for policies.
var Names = policy.Names{
	Endpoints: endpointNames(),
	Modes:     []string{"host", "macvlan", "ipvlan", "routed", "unprotected", "overlay", "swarm", "plugin", "existing-bridge", "ipv6", "container", "ns", "pasta", "slirp4netns", "unknown"},
	Privileges: []string{"privileged", "exec_privileged", "cap", "device", "pid", "ipc", "uts", "userns", "cgroup", "cgroupns", "cgroup_parent", "security_opt", "runtime",
		"annotation", "volume", "volume_driver", "plugin", "swarm", "checkpoint", "secret_driver", "working_dir", "buildkit", "remote", "libpod",
		"plugin_network", "plugin_mount", "plugin_capabilities", "plugin_allow_all_devices", "container_id_file", "log_path", "unread"},
}

// endpointNames returns the names of Endpoints, each once, sorted.
func endpointNames() []string {
	var names []string
	for _, e := range Endpoints {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
