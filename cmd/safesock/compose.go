package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/go-connections/nat"
	"github.com/spf13/pflag"
)

// compose reads compose files as docker compose does.
type compose struct {
	files    []string // none for those that Compose would find
	dir      string   // where to look, "" for the current folder
	project  string
	profiles []string
	envFiles []string

	text  string // of a compose file, instead of files
	alone bool   // whether variables come from .env alone, not from this process
}

func (c *compose) flags(f *pflag.FlagSet) {
	f.StringVarP(&c.project, "project", "p", "", "Compose project `name`")
	f.StringArrayVar(&c.profiles, "profile", nil, "Compose `profile` to turn on; may be repeated")
	f.StringArrayVar(&c.envFiles, "env-file", nil, "environment `file` for variables in compose files, instead of .env; may be repeated")
}

// errNoCompose is load's error if no file was named and none is found.
var errNoCompose = errors.New("no compose file here")

// load resolves the files with variables, profiles, overrides and includes.
func (c *compose) load(ctx context.Context) (*types.Project, error) {
	if c.text != "" {
		return loader.LoadWithContext(ctx, types.ConfigDetails{
			WorkingDir:  c.dir,
			ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: []byte(c.text)}},
		}, func(o *loader.Options) {
			o.SetProjectName(c.project, false) // unless the text names it
			o.SkipResolveEnvironment = true
		})
	}
	environment := cli.WithOsEnv
	if c.alone {
		environment = cli.WithEnv(nil)
	}
	options, err := cli.NewProjectOptions(c.files,
		cli.WithWorkingDirectory(c.dir),
		environment,
		cli.WithEnvFiles(c.envFiles...),
		cli.WithDotEnv,
		cli.WithConfigFileEnv,
		cli.WithDefaultConfigPath,
		cli.WithDefaultProfiles(c.profiles...),
		cli.WithName(c.project),
		// What a service's processes see is not our business, and the files
		// that say so need not be here.
		cli.WithoutEnvironmentResolution,
	)
	if err != nil {
		return nil, err
	}
	if len(options.ConfigPaths) == 0 {
		return nil, errNoCompose
	}
	project, err := options.LoadProject(ctx)
	if err != nil && !slices.ContainsFunc(options.ConfigPaths, func(path string) bool { return strings.Contains(err.Error(), filepath.Base(path)) }) {
		return nil, fmt.Errorf("%s: %w", strings.Join(options.ConfigPaths, ", "), err)
	}
	return project, err
}

// composeRequests are the calls that docker compose up makes for a project:
// its networks, volumes and builds, and a container for each service. What it
// would then ask the Engine about them goes into known.
func composeRequests(project *types.Project, lines *composeLines, known map[string][]byte) []request {
	var requests []request
	for _, key := range slices.Sorted(maps.Keys(project.Networks)) {
		each := project.Networks[key]
		if bool(each.External) {
			continue // only the Engine knows it
		}
		id := fakeID("network", each.Name)
		known["/networks/"+id] = encode(network.Inspect{
			Name: each.Name, ID: id, Driver: driverOf(each), Options: each.DriverOpts,
			Internal: each.Internal, EnableIPv6: each.EnableIPv6 != nil && *each.EnableIPv6, IPAM: ipam(each),
		})
		known["/networks/"+each.Name] = known["/networks/"+id]
		body := network.CreateRequest{Name: each.Name, CreateOptions: network.CreateOptions{
			Driver: each.Driver, Options: each.DriverOpts, Internal: each.Internal, Attachable: each.Attachable,
			EnableIPv4: each.EnableIPv4, EnableIPv6: each.EnableIPv6,
			Labels: map[string]string{"com.docker.compose.network": key, "com.docker.compose.project": project.Name},
		}}
		if pools := ipam(each); len(pools.Config) > 0 || pools.Driver != "" {
			body.IPAM = &pools
		}
		requests = append(requests, request{Target: "/networks/create", Body: encode(body), place: lines.under("networks", key)})
	}
	for _, key := range slices.Sorted(maps.Keys(project.Volumes)) {
		each := project.Volumes[key]
		if bool(each.External) {
			continue
		}
		known["/volumes/"+each.Name] = encode(volume.Volume{Name: each.Name, Driver: localIfEmpty(each.Driver), Options: each.DriverOpts, Scope: "local"})
		body := volume.CreateOptions{
			Name: each.Name, Driver: each.Driver, DriverOpts: each.DriverOpts,
			Labels: map[string]string{"com.docker.compose.project": project.Name, "com.docker.compose.volume": key},
		}
		requests = append(requests, request{Target: "/volumes/create", Body: encode(body), place: lines.under("volumes", key)})
	}
	for _, name := range project.ServiceNames() {
		service := project.Services[name]
		if service.Provider != nil {
			continue // run by a program, not by the Engine
		}
		for _, hook := range service.PreStart {
			before := types.ServiceConfig{Name: name, ContainerSpec: hook.ContainerSpec}
			requests = append(requests, request{
				Service: name,
				Target:  createPath,
				Body:    encode(serviceBody(project, before)),
				place:   lines.under("services", name, "pre_start"),
			})
		}
		requests = append(requests, workloadRequests(project, lines, "services", service, known)...)
		for i, hook := range slices.Concat(service.PostStart, service.PreStop) {
			if !hook.Privileged {
				continue
			}
			key := "post_start"
			if i >= len(service.PostStart) {
				key = "pre_stop"
			}
			requests = append(requests, request{
				Service: name,
				Target:  "/containers/" + containerID(project, name) + "/exec",
				Body:    []byte(`{"Privileged":true}`),
				place:   lines.under("services", name, key),
			})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(project.Jobs)) {
		job := project.Jobs[name]
		service := types.ServiceConfig{Name: name, ContainerSpec: job.ContainerSpec, WorkloadSpec: job.WorkloadSpec}
		requests = append(requests, workloadRequests(project, lines, "jobs", service, known)...)
	}
	for i := range requests {
		requests[i].Method = "POST"
	}
	return requests
}

// workloadRequests builds what a service or a job needs, and makes its
// container.
func workloadRequests(project *types.Project, lines *composeLines, section string, service types.ServiceConfig, known map[string][]byte) []request {
	var requests []request
	if service.Build != nil && service.Build.Network != "" {
		query := url.Values{"networkmode": {service.Build.Network}, "t": {imageOf(project, service)}}
		requests = append(requests, request{
			Service: service.Name,
			Target:  "/build?" + query.Encode(),
			place:   lines.under(section, service.Name, "build"),
		})
	}
	body := serviceBody(project, service)
	known["/containers/"+containerID(project, service.Name)+"/json"] = inspected(project, service, body)
	return append(requests, request{
		Service: service.Name,
		Target:  "/containers/create?name=" + url.QueryEscape(containerName(project, service)),
		Body:    encode(body),
		place:   lines.ofWorkload(section, service, body),
	})
}

// serviceBody is the body that creates a service's container.
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
		body.HostConfig.Binds = append(body.HostConfig.Binds, "/var/run/docker.sock:/var/run/docker.sock")
	}
	addNetworks(&body, project, service)
	return body
}

// addVolume mounts a volume in the form that Compose prefers: a bind where it
// says enough, a mount otherwise.
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

// modeOf turns a namespace "service:NAME" into the container that Compose
// makes for the service.
func modeOf(project *types.Project, mode string) string {
	if name, ok := strings.CutPrefix(mode, types.ServicePrefix); ok {
		return types.ContainerPrefix + containerID(project, name)
	}
	return mode
}

// volumesFrom turns "NAME[:ro]" of a service, or "container:NAME[:ro]", into
// the Engine's spelling.
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

func orTCP(protocol string) string {
	if protocol == "" {
		return "tcp"
	}
	return protocol
}

func localIfEmpty(driver string) string {
	if driver == "" {
		return "local"
	}
	return driver
}

// driverOf is the driver that an Engine gives a network.
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

// imageOf is the image that Compose uses or builds for a service.
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

// fakeID is an id such as an Engine would give.
func fakeID(words ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	return hex.EncodeToString(sum[:])
}

// inspected is what the Engine would say of a service's container.
func inspected(project *types.Project, service types.ServiceConfig, body createBody) []byte {
	answer := container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{ID: containerID(project, service.Name), Name: "/" + containerName(project, service), State: &container.State{}, HostConfig: &container.HostConfig{}},
		Mounts:            []container.MountPoint{},
		Config:            &container.Config{Image: body.Image, Labels: body.Labels},
		NetworkSettings:   &container.NetworkSettings{Networks: map[string]*network.EndpointSettings{}},
	}
	// Both have the same fields, of the same types.
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

// shortPath writes a path relative to the current folder if it is in it.
func shortPath(path string) string {
	if here, err := os.Getwd(); err == nil {
		if short, err := filepath.Rel(here, path); err == nil && !strings.HasPrefix(short, "..") {
			return short
		}
	}
	return path
}
