package clients

import (
	"maps"
	"net/url"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/safesock/safesock/rewrite"
)

// Up returns the calls that docker compose up makes for a project: for networks,
// volumes and builds, and for a container of each service. The answers are an
// Engine's about what these calls make, by the path of the question, as in
// "/networks/web_default".
func Up(project *types.Project) (calls []Call, answers map[string][]byte) {
	lines := readLines(project)
	answers = map[string][]byte{}
	for _, key := range slices.Sorted(maps.Keys(project.Networks)) {
		each := project.Networks[key]
		if bool(each.External) {
			continue // only the Engine knows it
		}
		id := fakeID("network", each.Name)
		made := encode(network.Inspect{
			Name: each.Name, ID: id, Driver: driverOf(each), Options: each.DriverOpts,
			Internal: each.Internal, EnableIPv6: each.EnableIPv6 != nil && *each.EnableIPv6, IPAM: ipam(each),
		})
		answers[rewrite.Question("network", id)] = made
		answers[rewrite.Question("network", each.Name)] = made
		body := network.CreateRequest{Name: each.Name, CreateOptions: network.CreateOptions{
			Driver: each.Driver, Options: each.DriverOpts, Internal: each.Internal, Attachable: each.Attachable,
			EnableIPv4: each.EnableIPv4, EnableIPv6: each.EnableIPv6,
			Labels: map[string]string{"com.docker.compose.network": key, "com.docker.compose.project": project.Name},
		}}
		if pools := ipam(each); len(pools.Config) > 0 || pools.Driver != "" {
			body.IPAM = &pools
		}
		calls = append(calls, callTo("network.create", nil, encode(body)).of("", lines.under("networks", key)))
	}
	for _, key := range slices.Sorted(maps.Keys(project.Volumes)) {
		each := project.Volumes[key]
		if bool(each.External) {
			continue
		}
		answers[rewrite.Question("volume", each.Name)] = encode(volume.Volume{Name: each.Name, Driver: localIfEmpty(each.Driver), Options: each.DriverOpts, Scope: "local"})
		body := volume.CreateOptions{
			Name: each.Name, Driver: each.Driver, DriverOpts: each.DriverOpts,
			Labels: map[string]string{"com.docker.compose.project": project.Name, "com.docker.compose.volume": key},
		}
		calls = append(calls, callTo("volume.create", nil, encode(body)).of("", lines.under("volumes", key)))
	}
	for _, name := range project.ServiceNames() {
		service := project.Services[name]
		if service.Provider != nil {
			continue // run by a program, not by the Engine
		}
		for _, hook := range service.PreStart {
			before := types.ServiceConfig{Name: name, ContainerSpec: hook.ContainerSpec}
			calls = append(calls, callTo("container.create", nil, encode(serviceBody(project, before))).of(name, lines.under("services", name, "pre_start")))
		}
		calls = append(calls, workloadCalls(project, lines, "services", service, answers)...)
		for i, hook := range slices.Concat(service.PostStart, service.PreStop) {
			if !hook.Privileged {
				continue
			}
			key := "post_start"
			if i >= len(service.PostStart) {
				key = "pre_stop"
			}
			exec := callTo("container.exec", nil, []byte(`{"Privileged":true}`), "name", containerID(project, name))
			calls = append(calls, exec.of(name, lines.under("services", name, key)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(project.Jobs)) {
		job := project.Jobs[name]
		service := types.ServiceConfig{Name: name, ContainerSpec: job.ContainerSpec, WorkloadSpec: job.WorkloadSpec}
		calls = append(calls, workloadCalls(project, lines, "jobs", service, answers)...)
	}
	return calls, answers
}

// workloadCalls returns the calls that build the image of a service or a job,
// and create its container.
func workloadCalls(project *types.Project, lines *composeLines, section string, service types.ServiceConfig, answers map[string][]byte) []Call {
	var calls []Call
	if service.Build != nil && service.Build.Network != "" {
		query := url.Values{"networkmode": {service.Build.Network}, "t": {imageOf(project, service)}}
		calls = append(calls, callTo("image.build", query, nil).of(service.Name, lines.under(section, service.Name, "build")))
	}
	body := serviceBody(project, service)
	answers[rewrite.Question("container", containerID(project, service.Name))] = inspected(project, service, body)
	create := callTo("container.create", url.Values{"name": {containerName(project, service)}}, encode(body))
	return append(calls, create.of(service.Name, lines.ofWorkload(section, service, body)))
}
