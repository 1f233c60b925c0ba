package rewrite

import (
	"slices"
	"strings"

	"github.com/safesock/safesock/policy"
)

// podmanSpec holds the fields of Podman's specgen.SpecGenerator that are looked
// at here.
type podmanSpec struct {
	PortMappings []struct {
		HostIP        string `json:"host_ip"`
		ContainerPort uint16 `json:"container_port"`
		HostPort      uint16 `json:"host_port"`
		Range         uint16 `json:"range"`
		Protocol      string `json:"protocol"`
	} `json:"portmappings,omitempty"`
	PublishExposedPorts *bool           `json:"publish_image_ports,omitempty"`
	NetNS               podmanNamespace `json:"netns"`
	PidNS               podmanNamespace `json:"pidns"`
	Networks            map[string]struct{ Aliases []string }
	Mounts              []struct {
		Destination string   `json:"destination"`
		Type        string   `json:"type,omitempty"`
		Source      string   `json:"source,omitempty"`
		Options     []string `json:"options,omitempty"`
	} `json:"mounts,omitempty"`
	Volumes []*struct {
		Name, Dest string
		Options    []string
	} `json:"volumes,omitempty"`
	Rootfs     string   `json:"rootfs,omitempty"`
	Privileged *bool    `json:"privileged,omitempty"`
	CapAdd     []string `json:"cap_add,omitempty"`
	Devices    []struct {
		Path string `json:"path"`
	} `json:"devices,omitempty"`
	Unmask       []string `json:"unmask,omitempty"`
	CgroupParent string   `json:"cgroup_parent,omitempty"`
}

type podmanNamespace struct {
	NSMode string `json:"nsmode,omitempty"`
	Value  string `json:"value,omitempty"`
}

func missingOfPodman(decoded any, all claimed) string {
	spec := decoded.(*podmanSpec)
	publishes := !slices.Contains([]string{"host", "none", "container"}, spec.NetNS.NSMode)
	for _, m := range spec.PortMappings {
		if publishes && m.ContainerPort != 0 && !has(all, func(p policy.Port) bool { return p.Container == int(m.ContainerPort) && p.Bindable }) {
			return "a port"
		}
	}
	for _, m := range spec.Mounts {
		if m.Type == "bind" && m.Source != "" && !all.mount(m.Source) {
			return "the mount of " + m.Source
		}
	}
	for _, v := range spec.Volumes {
		if v != nil && v.Name != "" && !all.mount("/of/"+v.Name) {
			return "the volume " + v.Name
		}
	}
	for _, c := range spec.CapAdd {
		name := strings.TrimPrefix(strings.ToUpper(c), "CAP_")
		if name != "" && !slices.Contains(ordinary, name) && !all.privilege("cap", name) {
			return "the capability " + c
		}
	}
	for _, d := range spec.Devices {
		if d.Path != "" && !all.privilege("device", d.Path) {
			return "the device " + d.Path
		}
	}
	for _, u := range spec.Unmask {
		if u != "" && !all.privilege("security_opt", u) {
			return "unmask " + u
		}
	}
	for name := range spec.Networks {
		if !slices.Contains([]string{"", "host", "default", "bridge", "none"}, name) && !all.network("macvlan") {
			return "the network " + name
		}
	}
	switch {
	case spec.PublishExposedPorts != nil && *spec.PublishExposedPorts:
		return "publish_image_ports"
	case spec.NetNS.NSMode == "host" && !all.network("host"):
		return "the host's network"
	case spec.PidNS.NSMode == "host" && !all.privilege("pid", strings.TrimSuffix("host:"+spec.PidNS.Value, ":")):
		return "the host's processes"
	case spec.Privileged != nil && *spec.Privileged && !all.privilege("privileged", ""):
		return "privileged"
	case spec.CgroupParent != "" && !all.privilege("cgroup_parent", spec.CgroupParent):
		return "cgroup_parent"
	case spec.Rootfs != "" && !all.mount(spec.Rootfs):
		return "rootfs"
	}
	return ""
}
