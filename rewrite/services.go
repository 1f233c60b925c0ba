package rewrite

import (
	"strconv"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// serviceCreate claims what the tasks of a service get on their nodes.
func serviceCreate(c *reading) {
	c.service(c.body())
}

// serviceUpdate reads the new service. If the call rolls back, it also reads the
// previous service.
func serviceUpdate(c *reading) {
	c.service(c.body())
	if c.query("rollback") == "" {
		return
	}
	before, service := len(c.claims), c.engine(aService, c.vars["id"])
	c.exists(service, "the service had it before; update the service instead of rolling back")
	c.service(service.Field("PreviousSpec"))
	for _, cl := range c.claims[before:] {
		cl.place = "?rollback"
	}
}

// service claims what a swarm.ServiceSpec asks for.
func (c *reading) service(spec jsonedit.Value) {
	task := spec.Field("TaskTemplate")
	container := task.Field("ContainerSpec")
	c.about(spec.Field("Name").Text(), container.Field("Image").Text(), container.Field("Labels"))

	ports := c.newList()
	for port := range spec.Field("EndpointSpec").Field("Ports").Items() {
		ports.item(port)
		c.claimPort(ports, servicePort(port))
	}
	// The Engine takes the task's networks. If the task has none, Engines before
	// 29 take the service's.
	for _, networks := range []jsonedit.Value{task.Field("Networks"), spec.Field("Networks")} {
		for network := range networks.Items() {
			c.attach(network.Field("Target").Text(), network.Field("Target"))
		}
	}
	c.mounts(container.Field("Mounts"))
	c.capabilities(container.Field("CapabilityAdd"))
	c.servicePrivileges(container.Field("Privileges"))
	c.workingDir(container.Field("Dir"))
	if plugin := task.Field("PluginSpec"); !plugin.Absent() {
		c.claim(policy.Privilege{Name: "plugin", Value: plugin.Field("Remote").Text()}, plugin)
	}
}

// servicePort is a port of a service. It has no host address: in mode ingress
// it is published on every node, in mode host on every interface of the nodes
// that run a task.
func servicePort(at jsonedit.Value) policy.Port {
	port := policy.Port{
		Container: int(at.Field("TargetPort").Number()),
		Protocol:  strings.ToLower(at.Field("Protocol").Text()),
	}
	if port.Protocol == "" {
		port.Protocol = "tcp"
	}
	if host := at.Field("PublishedPort").Number(); host != 0 {
		port.Host = strconv.FormatInt(host, 10)
	}
	return port
}

// servicePrivileges claims what weakens the confinement of a task, in the terms of
// a container's SecurityOpt.
func (c *reading) servicePrivileges(privileges jsonedit.Value) {
	for _, p := range []struct{ name, object, field, own string }{
		{"seccomp", "Seccomp", "Mode", "default"},
		{"apparmor", "AppArmor", "Mode", "default"},
		{"label=user", "SELinuxContext", "User", ""},
		{"label=role", "SELinuxContext", "Role", ""},
		{"label=type", "SELinuxContext", "Type", ""},
		{"label=level", "SELinuxContext", "Level", ""},
	} {
		at := privileges.Field(p.object).Field(p.field)
		if text := at.Text(); text != "" && text != p.own {
			c.claim(policy.Privilege{Name: "security_opt", Value: p.name + "=" + text}, at)
		}
	}
	if disable := privileges.Field("SELinuxContext").Field("Disable"); disable.Flag() {
		c.claim(policy.Privilege{Name: "security_opt", Value: "label=disable"}, disable)
	}
}
