package clients

import (
	"cmp"
	"encoding/json"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/go-connections/nat"
)

// createBody is the part of a container create call that can make claims, as
// compose files and docker run lines are turned into it.
type createBody struct {
	Image            string            `json:",omitempty"`
	WorkingDir       string            `json:",omitempty"`
	Labels           map[string]string `json:",omitempty"`
	ExposedPorts     nat.PortSet       `json:",omitempty"`
	HostConfig       hostConfig
	NetworkingConfig *networking `json:",omitempty"`
}

// hostConfig has the fields and types of Docker's HostConfig, without what is
// not set.
type hostConfig struct {
	Binds             []string                  `json:",omitempty"`
	Mounts            []mount.Mount             `json:",omitempty"`
	VolumesFrom       []string                  `json:",omitempty"`
	VolumeDriver      string                    `json:",omitempty"`
	NetworkMode       string                    `json:",omitempty"`
	PortBindings      nat.PortMap               `json:",omitempty"`
	PublishAllPorts   bool                      `json:",omitempty"`
	Privileged        bool                      `json:",omitempty"`
	CapAdd            []string                  `json:",omitempty"`
	Devices           []container.DeviceMapping `json:",omitempty"`
	DeviceCgroupRules []string                  `json:",omitempty"`
	DeviceRequests    []container.DeviceRequest `json:",omitempty"`
	PidMode           string                    `json:",omitempty"`
	IpcMode           string                    `json:",omitempty"`
	UTSMode           string                    `json:",omitempty"`
	UsernsMode        string                    `json:",omitempty"`
	CgroupnsMode      string                    `json:",omitempty"`
	CgroupParent      string                    `json:",omitempty"`
	SecurityOpt       []string                  `json:",omitempty"`
	Sysctls           map[string]string         `json:",omitempty"`
	Runtime           string                    `json:",omitempty"`
	Annotations       map[string]string         `json:",omitempty"`
}

// networking attaches a container to networks by name.
type networking struct {
	EndpointsConfig map[string]endpoint
}

// endpoint is a container's end of a network.
type endpoint struct {
	DriverOpts map[string]string `json:",omitempty"`
}

// encode writes a value as the clients do.
func encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // none of these types has a value that cannot be written
	}
	return text
}

// orTCP returns the protocol that a client means.
func orTCP(protocol string) string { return cmp.Or(protocol, "tcp") }
