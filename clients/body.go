package clients

import (
	"cmp"
	"encoding/json"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/go-connections/nat"
)

// createBody is the body of a container create call, with the fields that can make
// claims and that a compose file or a docker run line can fill.
type createBody struct {
	Image            string            `json:",omitempty"`
	WorkingDir       string            `json:",omitempty"`
	Labels           map[string]string `json:",omitempty"`
	ExposedPorts     nat.PortSet       `json:",omitempty"`
	HostConfig       hostConfig
	NetworkingConfig *networking `json:",omitempty"`
}

// hostConfig has fields of Docker's HostConfig, with Docker's types.
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

// encode returns a value as JSON.
func encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // every value of these types can be encoded
	}
	return text
}

// orTCP returns the protocol, or tcp if none is named.
func orTCP(protocol string) string { return cmp.Or(protocol, "tcp") }
