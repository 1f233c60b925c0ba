package rewrite

import (
	"strconv"
	"strings"

	"github.com/safesock/safesock/policy"
)

// serviceCreate claims what the tasks of a service get on the nodes that run
// them.
func serviceCreate(c *call) {
	c.service(c.body())
}

// serviceUpdate reads the new service, and the one that there was before if
// the call goes back to that.
func serviceUpdate(c *call) {
	c.service(c.body())
	if c.query("rollback") == "" {
		return
	}
	before := len(c.claims)
	c.held = "the service had it before; update the service instead of rolling back"
	c.service(c.engine(aService, c.Vars["id"]).field("PreviousSpec"))
	c.held = ""
	for _, cl := range c.claims[before:] {
		cl.parameter = "rollback"
	}
}

// service claims what a swarm.ServiceSpec asks for.
func (c *call) service(spec value) {
	task := spec.field("TaskTemplate")
	container := task.field("ContainerSpec")
	c.about(spec.field("Name").text(), container.field("Image").text(), container.field("Labels"))

	for port := range spec.field("EndpointSpec").field("Ports").items() {
		c.claim(servicePort(port), port)
	}
	// The Engine takes the task's networks, and the service's own if the task
	// has none; since 29 it passes over those.
	for _, networks := range []value{task.field("Networks"), spec.field("Networks")} {
		for network := range networks.items() {
			c.attach(network.field("Target").text(), network.field("Target"))
		}
	}
	c.mounts(container.field("Mounts"))
	c.capabilities(container.field("CapabilityAdd"))
	c.servicePrivileges(container.field("Privileges"))
	c.workingDir(container.field("Dir"))
	if plugin := task.field("PluginSpec"); !plugin.absent() {
		c.claim(policy.Privilege{Name: "plugin", Value: plugin.field("Remote").text()}, plugin)
	}
}

// servicePort is a port of a service. It has no host address: in mode ingress
// it is published on every node, in mode host on every interface of the nodes
// that run a task.
func servicePort(at value) policy.Port {
	port := policy.Port{
		Container: int(at.field("TargetPort").number()),
		Protocol:  strings.ToLower(at.field("Protocol").text()),
	}
	if port.Protocol == "" {
		port.Protocol = "tcp"
	}
	if host := at.field("PublishedPort").number(); host != 0 {
		port.Host = strconv.FormatInt(host, 10)
	}
	return port
}

// servicePrivileges claims what weakens the confinement of a task, in the
// words in which a container asks for it.
func (c *call) servicePrivileges(privileges value) {
	for _, p := range []struct{ name, object, field, own string }{
		{"seccomp", "Seccomp", "Mode", "default"},
		{"apparmor", "AppArmor", "Mode", "default"},
		{"label=user", "SELinuxContext", "User", ""},
		{"label=role", "SELinuxContext", "Role", ""},
		{"label=type", "SELinuxContext", "Type", ""},
		{"label=level", "SELinuxContext", "Level", ""},
	} {
		at := privileges.field(p.object).field(p.field)
		if text := at.text(); text != "" && text != p.own {
			c.claim(policy.Privilege{Name: "security_opt", Value: p.name + "=" + text}, at)
		}
	}
	if disable := privileges.field("SELinuxContext").field("Disable"); disable.flag() {
		c.claim(policy.Privilege{Name: "security_opt", Value: "label=disable"}, disable)
	}
}
