package clients

import (
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-connections/nat"
)

// made says from what a field of a create body is made: from a key of a service, and
// from the entry of this key that has the name which entry returns. The steps lead
// from the field to the value.
type made struct {
	key   string
	entry func(body *createBody, steps []string) string // nil if the key has no entries
}

// madeFields are the fields of a create body that a compose file can fill, by their
// names alone: fields of HostConfig and NetworkingConfig have no prefix.
var madeFields = map[string]made{
	"PortBindings":    {"ports", binding},
	"NetworkMode":     {"networks", func(b *createBody, _ []string) string { return b.HostConfig.NetworkMode }},
	"EndpointsConfig": {"networks", keyed},
	"Binds": {"volumes", func(b *createBody, steps []string) string {
		parts := strings.Split(at(b.HostConfig.Binds, steps), ":")
		return parts[min(1, len(parts)-1)]
	}},
	"Mounts":            {"volumes", func(b *createBody, steps []string) string { return at(b.HostConfig.Mounts, steps).Target }},
	"VolumesFrom":       {"volumes_from", nil},
	"VolumeDriver":      {"volume_driver", nil},
	"Devices":           {"devices", func(b *createBody, steps []string) string { return at(b.HostConfig.Devices, steps).PathOnHost }},
	"DeviceCgroupRules": {"device_cgroup_rules", func(b *createBody, steps []string) string { return at(b.HostConfig.DeviceCgroupRules, steps) }},
	"DeviceRequests":    {"gpus", nil},
	"CapAdd":            {"cap_add", func(b *createBody, steps []string) string { return at(b.HostConfig.CapAdd, steps) }},
	"SecurityOpt":       {"security_opt", func(b *createBody, steps []string) string { return at(b.HostConfig.SecurityOpt, steps) }},
	"Sysctls":           {"sysctls", keyed},
	"Annotations":       {"annotations", keyed},
	"Labels":            {"labels", keyed},
	"Privileged":        {"privileged", nil},
	"PidMode":           {"pid", nil},
	"IpcMode":           {"ipc", nil},
	"UTSMode":           {"uts", nil},
	"UsernsMode":        {"userns_mode", nil},
	"CgroupnsMode":      {"cgroup", nil},
	"CgroupParent":      {"cgroup_parent", nil},
	"Runtime":           {"runtime", nil},
	"WorkingDir":        {"working_dir", nil},
	"Image":             {"image", nil},
}

// madeFrom returns the key of a service from which a value of the body is made, and
// the name of the entry in this key. The key is "" if it is unknown, and the entry
// is "" if the key has no entries.
func madeFrom(service types.ServiceConfig, body *createBody, pointer string) (key, entry string) {
	var steps []string
	for _, step := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		steps = append(steps, strings.NewReplacer("~1", "/", "~0", "~").Replace(step))
	}
	if len(steps) > 1 && slices.Contains([]string{"HostConfig", "NetworkingConfig"}, steps[0]) {
		steps = steps[1:]
	}
	from := madeFields[steps[0]]
	switch {
	case from.key == "networks" && service.NetworkMode != "":
		return "network_mode", ""
	case steps[0] == "Binds" && service.UseAPISocket && at(body.HostConfig.Binds, steps[1:]) == apiSocket:
		return "use_api_socket", ""
	case from.entry == nil:
		return from.key, ""
	}
	return from.key, from.entry(body, steps[1:])
}

// at returns the element of a list that the first step names. It is zero if there is
// no such element.
func at[T any](list []T, steps []string) (element T) {
	if len(steps) == 0 {
		return element
	}
	if i, err := strconv.Atoi(steps[0]); err == nil && i >= 0 && i < len(list) {
		return list[i]
	}
	return element
}

// keyed returns the name of an entry that is a key of a mapping.
func keyed(_ *createBody, steps []string) string {
	if len(steps) == 0 {
		return ""
	}
	return steps[0]
}

// binding returns the name of a published port.
func binding(b *createBody, steps []string) string {
	if len(steps) < 2 {
		return ""
	}
	found := at(b.HostConfig.PortBindings[nat.Port(steps[0])], steps[1:])
	return portName(steps[0], found.HostIP, found.HostPort)
}

// portName returns the name by which a published port is found.
func portName(port, hostIP, hostPort string) string {
	return strings.Join([]string{port, hostIP, hostPort}, " ")
}
