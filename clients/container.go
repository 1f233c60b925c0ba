package clients

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
)

// serviceBody returns the body that creates a service's container.
func serviceBody(project *types.Project, service types.ServiceConfig) createBody {
	body := createBody{
		Image:        imageOf(project, service),
		WorkingDir:   service.WorkingDir,
		Labels:       maps.Clone(service.Labels),
		ExposedPorts: nat.PortSet{},
		HostConfig: hostConfig{
			PortBindings:      nat.PortMap{},
			VolumeDriver:      service.VolumeDriver,
			Privileged:        service.Privileged,
			CapAdd:            service.CapAdd,
			DeviceCgroupRules: service.DeviceCgroupRules,
			PidMode:           modeOf(project, service.Pid),
			IpcMode:           modeOf(project, service.Ipc),
			UTSMode:           service.Uts,
			UsernsMode:        service.UserNSMode,
			CgroupnsMode:      service.Cgroup,
			CgroupParent:      service.CgroupParent,
			SecurityOpt:       service.SecurityOpt,
			Sysctls:           service.Sysctls,
			Runtime:           service.Runtime,
			Annotations:       service.Annotations,
		},
	}
	if body.Labels == nil {
		body.Labels = map[string]string{}
	}
	maps.Copy(body.Labels, map[string]string{
		"com.docker.compose.container-number":     "1",
		"com.docker.compose.oneoff":               "False",
		"com.docker.compose.project":              project.Name,
		"com.docker.compose.project.config_files": strings.Join(project.ComposeFiles, ","),
		"com.docker.compose.project.working_dir":  project.WorkingDir,
		"com.docker.compose.service":              service.Name,
	})
	for _, port := range service.Expose {
		number, protocol, _ := strings.Cut(port, "/")
		if exposed, err := nat.NewPort(orTCP(protocol), number); err == nil {
			body.ExposedPorts[exposed] = struct{}{}
		}
	}
	for _, port := range service.Ports {
		key := portKey(port)
		body.ExposedPorts[key] = struct{}{}
		body.HostConfig.PortBindings[key] = append(body.HostConfig.PortBindings[key], nat.PortBinding{HostIP: port.HostIP, HostPort: port.Published})
	}
	for _, each := range service.Devices {
		body.HostConfig.Devices = append(body.HostConfig.Devices, container.DeviceMapping{PathOnHost: each.Source, PathInContainer: each.Target, CgroupPermissions: each.Permissions})
	}
	for _, each := range service.Gpus {
		body.HostConfig.DeviceRequests = append(body.HostConfig.DeviceRequests, deviceRequest(each))
	}
	if service.Deploy != nil && service.Deploy.Resources.Reservations != nil {
		for _, each := range service.Deploy.Resources.Reservations.Devices {
			body.HostConfig.DeviceRequests = append(body.HostConfig.DeviceRequests, deviceRequest(each))
		}
	}
	for _, from := range service.VolumesFrom {
		body.HostConfig.VolumesFrom = append(body.HostConfig.VolumesFrom, volumesFrom(project, from))
	}
	for _, each := range service.Volumes {
		addVolume(&body.HostConfig, project, each)
	}
	if service.UseAPISocket {
		body.HostConfig.Binds = append(body.HostConfig.Binds, apiSocket)
	}
	addNetworks(&body, project, service)
	return body
}

// apiSocket is the bind that use_api_socket stands for.
const apiSocket = "/var/run/docker.sock:/var/run/docker.sock"

// addVolume adds a volume in the form that Compose chooses: as a bind if a bind can
// express all of its options, and as a mount otherwise.
func addVolume(host *hostConfig, project *types.Project, v types.ServiceVolumeConfig) {
	source := v.Source
	if named, ok := project.Volumes[v.Source]; ok && v.Type == types.VolumeTypeVolume {
		source = named.Name
	}
	mode := "rw"
	if v.ReadOnly {
		mode = "ro"
	}
	switch {
	case v.Type == types.VolumeTypeBind && (v.Bind == nil || v.Bind.Propagation == ""),
		v.Type == types.VolumeTypeVolume && source != "" && v.Volume == nil:
		host.Binds = append(host.Binds, source+":"+v.Target+":"+mode)
	case v.Type == types.VolumeTypeTmpfs:
	default:
		m := mount.Mount{Type: mount.Type(v.Type), Source: source, Target: v.Target, ReadOnly: v.ReadOnly}
		if v.Type == types.VolumeTypeBind {
			m.BindOptions = &mount.BindOptions{Propagation: mount.Propagation(v.Bind.Propagation)}
		}
		host.Mounts = append(host.Mounts, m)
	}
}

// addNetworks attaches a service's container to its networks.
func addNetworks(body *createBody, project *types.Project, service types.ServiceConfig) {
	if service.NetworkMode != "" {
		body.HostConfig.NetworkMode = modeOf(project, service.NetworkMode)
		return
	}
	keys := service.NetworksByPriority()
	if len(keys) == 0 {
		body.HostConfig.NetworkMode = "none"
		return
	}
	body.HostConfig.NetworkMode = project.Networks[keys[0]].Name
	body.NetworkingConfig = &networking{EndpointsConfig: map[string]endpoint{}}
	for _, key := range keys {
		var end endpoint
		if config := service.Networks[key]; config != nil {
			end.DriverOpts = config.DriverOpts
		}
		body.NetworkingConfig.EndpointsConfig[project.Networks[key].Name] = end
	}
}

// modeOf returns the namespace mode that Compose sends: "service:NAME" becomes the
// id of the service's container.
func modeOf(project *types.Project, mode string) string {
	if name, ok := strings.CutPrefix(mode, types.ServicePrefix); ok {
		return types.ContainerPrefix + containerID(project, name)
	}
	return mode
}

// volumesFrom returns the Engine's spelling of an entry of volumes_from, which is
// "SERVICE[:ro]" or "container:NAME[:ro]".
func volumesFrom(project *types.Project, from string) string {
	if other, ok := strings.CutPrefix(from, types.ContainerPrefix); ok {
		return other
	}
	name, mode, found := strings.Cut(from, ":")
	if found {
		mode = ":" + mode
	}
	return containerID(project, name) + mode
}

func deviceRequest(d types.DeviceRequest) container.DeviceRequest {
	return container.DeviceRequest{Driver: d.Driver, Count: int(d.Count), DeviceIDs: d.IDs, Capabilities: [][]string{d.Capabilities}, Options: d.Options}
}

func portKey(port types.ServicePortConfig) nat.Port {
	return nat.Port(strconv.FormatUint(uint64(port.Target), 10) + "/" + orTCP(port.Protocol))
}

func localIfEmpty(driver string) string {
	if driver == "" {
		return "local"
	}
	return driver
}

// driverOf returns the driver that an Engine gives a network.
func driverOf(n types.NetworkConfig) string {
	switch {
	case n.Driver != "":
		return n.Driver
	case n.Name == "host", n.Name == "none":
		return n.Name
	}
	return "bridge"
}

func ipam(n types.NetworkConfig) network.IPAM {
	pools := network.IPAM{Driver: n.Ipam.Driver, Options: n.Ipam.Options}
	for _, each := range n.Ipam.Config {
		pools.Config = append(pools.Config, network.IPAMConfig{Subnet: each.Subnet, IPRange: each.IPRange, Gateway: each.Gateway, AuxAddress: each.AuxiliaryAddresses})
	}
	return pools
}

// imageOf returns the image that Compose uses or builds for a service.
func imageOf(project *types.Project, service types.ServiceConfig) string {
	if service.Image != "" {
		return service.Image
	}
	return project.Name + "-" + service.Name
}

func containerName(project *types.Project, service types.ServiceConfig) string {
	if service.ContainerName != "" {
		return service.ContainerName
	}
	return project.Name + "-" + service.Name + "-1"
}

func containerID(project *types.Project, service string) string {
	return fakeID("container", project.Name, service)
}

// fakeID returns an id in the Engine's form.
func fakeID(words ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	return hex.EncodeToString(sum[:])
}

// inspected returns the Engine's answer about a service's container.
func inspected(project *types.Project, service types.ServiceConfig, body createBody) []byte {
	answer := container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{ID: containerID(project, service.Name), Name: "/" + containerName(project, service), State: &container.State{}, HostConfig: &container.HostConfig{}},
		Mounts:            []container.MountPoint{},
		Config:            &container.Config{Image: body.Image, Labels: body.Labels},
		NetworkSettings:   &container.NetworkSettings{Networks: map[string]*network.EndpointSettings{}},
	}
	// The fields of hostConfig are also fields of container.HostConfig.
	if err := json.Unmarshal(encode(body.HostConfig), answer.HostConfig); err != nil {
		panic(err)
	}
	if body.NetworkingConfig != nil {
		for each := range body.NetworkingConfig.EndpointsConfig {
			answer.NetworkSettings.Networks[each] = &network.EndpointSettings{NetworkID: fakeID("network", each)}
		}
	}
	for _, each := range service.Volumes {
		point := container.MountPoint{Type: mount.Type(each.Type), Source: each.Source, Destination: each.Target, RW: !each.ReadOnly}
		if named, ok := project.Volumes[each.Source]; ok && each.Type == types.VolumeTypeVolume {
			point.Name = named.Name
		}
		answer.Mounts = append(answer.Mounts, point)
	}
	return encode(answer)
}
