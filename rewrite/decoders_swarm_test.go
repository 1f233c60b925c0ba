package rewrite

import (
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	dockerswarm "github.com/docker/docker/api/types/swarm"
	mobyswarm "github.com/moby/moby/api/types/swarm"

	"github.com/safesock/safesock/policy"
)

func missingOfService(decoded any, all claimed) string {
	type port struct {
		target uint32
		proto  string
	}
	var ports []port
	var networks, capabilities, profiles []string
	problem := ""
	plugin := false
	switch s := decoded.(type) {
	case *dockerswarm.ServiceSpec:
		if s.EndpointSpec != nil {
			for _, p := range s.EndpointSpec.Ports {
				ports = append(ports, port{p.TargetPort, string(p.Protocol)})
			}
		}
		//lint:ignore SA1019 Engines before 29 read it
		for _, n := range append(s.TaskTemplate.Networks, s.Networks...) {
			networks = append(networks, n.Target)
		}
		plugin = s.TaskTemplate.PluginSpec != nil
		if c := s.TaskTemplate.ContainerSpec; c != nil {
			capabilities = c.CapabilityAdd
			for _, m := range c.Mounts {
				driver, options := "", map[string]string(nil)
				if m.VolumeOptions != nil && m.VolumeOptions.DriverConfig != nil {
					driver, options = m.VolumeOptions.DriverConfig.Name, m.VolumeOptions.DriverConfig.Options
				}
				if missing := missingOfMount(string(m.Type), m.Source, driver, options, all); missing != "" {
					problem = missing
				}
			}
			if p := c.Privileges; p != nil && p.Seccomp != nil {
				profiles = append(profiles, "seccomp="+string(p.Seccomp.Mode))
			}
			if p := c.Privileges; p != nil && p.AppArmor != nil {
				profiles = append(profiles, "apparmor="+string(p.AppArmor.Mode))
			}
		}
	case *mobyswarm.ServiceSpec:
		if s.EndpointSpec != nil {
			for _, p := range s.EndpointSpec.Ports {
				ports = append(ports, port{p.TargetPort, string(p.Protocol)})
			}
		}
		for _, n := range s.TaskTemplate.Networks {
			networks = append(networks, n.Target)
		}
		plugin = s.TaskTemplate.PluginSpec != nil
		if c := s.TaskTemplate.ContainerSpec; c != nil {
			capabilities = c.CapabilityAdd
			for _, m := range c.Mounts {
				driver, options := "", map[string]string(nil)
				if m.VolumeOptions != nil && m.VolumeOptions.DriverConfig != nil {
					driver, options = m.VolumeOptions.DriverConfig.Name, m.VolumeOptions.DriverConfig.Options
				}
				if missing := missingOfMount(string(m.Type), m.Source, driver, options, all); missing != "" {
					problem = missing
				}
			}
		}
	}
	if problem != "" {
		return problem
	}
	for _, p := range ports {
		protocol := strings.ToLower(p.proto)
		if protocol == "" {
			protocol = "tcp"
		}
		if !has(all, func(c policy.Port) bool {
			return c.Container == int(p.target) && c.Protocol == protocol && !c.Bindable
		}) {
			return "a port"
		}
	}
	for _, n := range networks {
		switch {
		case n == "host" && !all.network("host"):
			return "the host's network"
		case !slices.Contains([]string{"", "host", "default", "bridge", "none"}, n) && !all.network("macvlan"):
			return "the network " + n
		}
	}
	for _, c := range capabilities {
		name := strings.TrimPrefix(strings.ToUpper(c), "CAP_")
		if name != "" && !slices.Contains(ordinary, name) && !all.privilege("cap", name) {
			return "the capability " + c
		}
	}
	for _, p := range profiles {
		if !strings.HasSuffix(p, "=") && !strings.HasSuffix(p, "=default") && !all.privilege("security_opt", p) {
			return p
		}
	}
	if plugin && !has(all, func(p policy.Privilege) bool { return p.Name == "plugin" }) {
		return "the plugin"
	}
	return ""
}

func missingOfSwarm(decoded any, all claimed) string {
	listen := reflect.ValueOf(decoded).Elem().FieldByName("ListenAddr").String()
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return ""
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return ""
	}
	if !has(all, func(p policy.Port) bool {
		return p.Host == port && (p.IP == "" || p.IP == ip.Unmap().String()) && p.Bindable
	}) {
		return "the address " + listen
	}
	return ""
}
