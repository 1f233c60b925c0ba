package rewrite

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/safesock/safesock/policy"
)

// Podman's own API. Its bodies have other names for what Docker's ask for
// (podman: pkg/specgen); what they name is looked up through its Docker API.

// libpodSpec reads what containers and pods are made of.
func libpodSpec(c *call) {
	spec := c.body()
	c.about(spec.field("name").text(), spec.field("image").text(), spec.field("labels"))

	// With these Podman forgets the ports of a container, and refuses a pod.
	if mode := spec.field("netns").field("nsmode").text(); mode == "host" || mode == "none" || mode == "container" {
		c.unpublished = mode
	}
	mappings := spec.member("portmappings")
	c.libpodPorts(mappings)
	c.libpodPublishAll(spec, mappings)
	c.unpublished = ""
	c.libpodNetworks(spec)

	for m := range spec.field("mounts").items() {
		c.libpodMount(m)
	}
	for v := range spec.field("volumes").items() {
		options := v.field("Options").texts()
		c.volume(v.field("Name").text(), v.field("Dest").text(), slices.Contains(options, "ro"), v)
		c.keptFolders(options, v.field("Dest").text(), v)
	}
	for v := range spec.field("overlay_volumes").items() {
		if source := v.field("source").text(); source != "" {
			c.bind(source, v.field("destination").text(), false, v)
		}
		c.keptFolders(v.field("options").texts(), v.field("destination").text(), v)
	}
	if rootfs := spec.field("rootfs"); rootfs.text() != "" {
		c.bind(rootfs.text(), "/", false, rootfs)
	}
	if init := spec.field("init_path"); init.text() != "" {
		c.bind(init.text(), "/dev/init", true, init)
	}
	c.volumesFrom(spec.field("volumes_from"))
	c.libpodPrivileges(spec)
	c.workingDir(spec.field("work_dir"))
}

// maxRange is how many ports one mapping may have.
const maxRange = 4096

// libpodPorts claims port mappings. One mapping can be of a range of ports, and
// of several protocols, as in "tcp,udp". It has one address.
func (c *call) libpodPorts(mappings value) {
	for m := range mappings.items() {
		if m.orAbsent().absent() {
			continue // Podman refuses it
		}
		first, count := m.field("host_port").number(), max(m.field("range").number(), 1)
		if count > maxRange {
			c.refuse(http.StatusBadRequest, "%s/range: more than %d ports", m.pointer(), maxRange)
			return
		}
		made := map[string]string{} // such texts by their addresses: the ports of a range share one
		bound := ""                 // what takes the mapping's place, "" before any decision
		edit := func(cl *claim, to []netip.Addr) string {
			if first == 0 && count > 1 && len(to) > 1 {
				c.refuse(http.StatusBadRequest, "%s: a range without host ports can go to one address only; name the host ports", m.pointer())
				return ""
			}
			asked := cl.Claim.(policy.Port).Host
			host := asked
			if first == 0 {
				host = c.sharedPort(cl, to)
			}
			place := fmt.Sprint(to)
			if host != asked {
				place += " " + host
			}
			if text, done := made[place]; done {
				return text
			}
			var texts []string
			for _, ip := range to {
				var inside edits
				inside.set(m, "host_ip", quote(ip.String()))
				if host != asked {
					inside.set(m, "host_port", host)
				}
				texts = append(texts, inside.made(m))
			}
			made[place] = strings.Join(texts, ",")
			return made[place]
		}
		for protocol := range strings.SplitSeq(strings.ToLower(m.field("protocol").text()), ",") {
			for i := range count {
				port := policy.Port{
					Container: int(m.field("container_port").number() + i),
					Protocol:  cmp.Or(protocol, "tcp"),
					IP:        hostIP(m.field("host_ip").text()),
					Bindable:  true,
				}
				if first != 0 {
					port.Host = strconv.FormatInt(first+i, 10)
				}
				cl := c.claim(port, m)
				cl.edit = func(d policy.Decision) string {
					text := edit(cl, d.To)
					switch {
					case bound == "":
						c.replace(m, text)
						bound = text
					case bound != text:
						c.refuse(http.StatusBadRequest, "%s: its ports go to different addresses; give each a mapping of its own", m.pointer())
					}
					return text
				}
			}
		}
	}
}

// libpodPublishAll claims the ports that publish_image_ports publishes. They
// get mappings of their own, and the flag is cleared.
func (c *call) libpodPublishAll(spec, mappings value) {
	flag := spec.field("publish_image_ports")
	if !flag.flag() {
		return
	}
	has := map[policy.Port]bool{}
	for m := range mappings.items() {
		for _, protocol := range strings.Split(strings.ToLower(m.field("protocol").text()), ",") {
			has[portOf(fmt.Sprintf("%d/%s", m.field("container_port").number(), protocol))] = true
		}
	}
	var ports []policy.Port
	add := func(key string) {
		if port := portOf(key); !has[port] && port.Container != 0 {
			has[port] = true
			ports = append(ports, port)
		}
	}
	for key := range c.imagePorts(spec.field("image").text()).members() {
		add(key)
	}
	for number, protocols := range spec.field("expose").members() {
		for _, protocol := range strings.Split(protocols.text(), ",") {
			add(number + "/" + protocol)
		}
	}
	slices.SortFunc(ports, func(a, b policy.Port) int { return strings.Compare(portName(a), portName(b)) })

	var texts []string
	for _, port := range ports {
		text := fmt.Sprintf(`{"container_port":%d,"protocol":%q}`, port.Container, port.Protocol)
		place := len(texts)
		texts = append(texts, text)
		cl := c.claim(port, flag)
		cl.edit = func(d policy.Decision) string {
			host := c.sharedPort(cl, d.To)
			if host != "" {
				host = `,"host_port":` + host
			}
			var all []string
			for _, ip := range d.To {
				all = append(all, fmt.Sprintf(`{"container_port":%d,"protocol":%q,"host_ip":%q%s}`, port.Container, port.Protocol, ip, host))
			}
			texts[place] = strings.Join(all, ",")
			return texts[place]
		}
	}
	c.then = append(c.then, func() {
		c.note(flag, "false")
		c.replace(flag, "false")
		switch all := strings.Join(texts, ","); {
		case all == "":
		case mappings.orAbsent().absent():
			c.set(spec, "portmappings", "["+all+"]")
		default:
			c.insert(mappings, all)
		}
	})
}

// libpodNetworks claims the networks of a container or pod.
func (c *call) libpodNetworks(spec value) {
	netns := spec.field("netns")
	mode, name := netns.field("nsmode").text(), netns.field("value")
	options := map[string]string{}
	for key, list := range spec.field("network_options").members() {
		options[key] = strings.Join(list.texts(), " ")
	}
	switch mode {
	case "", "default", "private", "bridge", "none", "pod":
	case "host":
		c.attach(mode, netns)
	case "container":
		x := c.inspect(name.text())
		if x.absent() {
			c.attachment(policy.Network{Mode: "container", Name: name.text()}, netns)
			break
		}
		c.containerNetworks(x, netns, 0)
		c.pinText(name, x.field("Id").text())
	case "pasta", "slirp4netns":
		if name.text() != "" || options[mode] != "" { // such as pasta's own way to publish ports
			c.attachment(policy.Network{Mode: mode, Name: name.text(), Options: options}, netns)
		}
	default: // a path
		c.attachment(policy.Network{Mode: "ns", Name: name.text()}, netns)
	}
	for key, m := range spec.field("Networks").members() {
		c.attach(key, m)
	}
	for item := range spec.field("cni_networks").items() {
		c.attach(item.text(), item)
	}
	if at := spec.field("pod"); at.text() != "" {
		pod := c.must(aPod, at.text())
		if pod.field("InfraConfig").field("HostNetwork").flag() {
			c.attach("host", at)
		}
		c.pinText(at, pod.field("Id").text())
	}
}

// libpodMount claims a mount that is handed to the runtime.
func (c *call) libpodMount(m value) {
	bound := c.runtimeMount(m.field("type").text(), m.field("source").text(), m.field("options").texts(), m.field("destination").text(), false, m)
	if bound != nil {
		bound.edit = func(policy.Decision) string { return c.setInside(m, "source", quote(c.Listen)) }
	}
}

// healthLogs are where the output of health checks goes, besides folders.
var healthLogs = []string{"local", "events_logger", "none"}

// podmanSeccomp are where Podman has the profile that containers get anyway.
var podmanSeccomp = []string{"/usr/share/containers/seccomp.json", "/etc/containers/seccomp.json"}

// libpodPrivileges claims what reaches past the container.
func (c *call) libpodPrivileges(spec value) {
	if privileged := spec.field("privileged"); privileged.flag() {
		c.claim(policy.Privilege{Name: "privileged"}, privileged)
	}
	c.capabilities(spec.field("cap_add"))
	for _, ns := range []struct {
		field, name string
		own         []string
	}{
		{"pidns", "pid", nil},
		{"ipcns", "ipc", []string{"shareable", "none"}},
		{"utsns", "uts", nil},
		{"cgroupns", "cgroupns", nil},
		{"userns", "userns", []string{"keep-id", "no-map", "nomap", "auto"}},
	} {
		at := spec.field(ns.field)
		mode := at.field("nsmode").text()
		own := append(ns.own, "", "default", "private", "pod")
		if slices.Contains(own, mode) {
			continue
		}
		c.claim(policy.Privilege{Name: ns.name, Value: strings.TrimSuffix(mode+":"+at.field("value").text(), ":")}, at)
	}
	// What asks for something if it holds anything.
	for _, p := range []struct {
		field, name string
		harmless    []string
	}{
		{"devices", "device", nil},
		{"host_device_list", "device", nil},
		{"device_cgroup_rule", "device", nil},
		{"devices_from", "device", nil},
		{"pod_devices", "device", nil},
		{"selinux_opts", "security_opt", nil},
		{"security_opt", "security_opt", []string{"no-new-privileges"}},
		{"unmask", "security_opt", nil},
		{"procfs_opts", "security_opt", nil},
		{"apparmor_profile", "security_opt", []string{"containers-default"}},
		{"seccomp_policy", "security_opt", []string{"default"}},
		{"seccomp_profile_path", "security_opt", podmanSeccomp},
		{"rootfs_propagation", "libpod", []string{"private", "rprivate"}},
		{"base_hosts_file", "libpod", []string{"image", "none"}},
		{"hostsFile", "libpod", nil},
		{"conmon_pid_file", "libpod", nil}, // files of the host, to be written
		{"infra_conmon_pid_file", "libpod", nil},
		{"healthLogDestination", "libpod", healthLogs},
		{"cgroups_mode", "cgroup", []string{"enabled", "no-conmon", "split"}},
		{"cgroup_parent", "cgroup_parent", nil},
	} {
		c.anything(p.name, spec.field(p.field), p.harmless)
	}
	c.anything("libpod", spec.field("log_configuration").field("path"), nil)
	c.anything("device", spec.field("resource_limits").field("devices"), nil)
	for key, m := range spec.field("annotations").members() {
		// What the podman command notes for itself.
		if !strings.HasPrefix(key, "io.podman.") && key != "io.kubernetes.cri-o.TTY" {
			c.claim(policy.Privilege{Name: "annotation", Value: key}, m)
		}
	}
	c.runtime(spec.field("oci_runtime"))
}

// anything claims a text that is not empty, or each item of a list. What has
// no text of its own, as a device, is claimed by its path.
func (c *call) anything(name string, at value, harmless []string) {
	if at.absent() {
		return
	}
	list := []value{at}
	if at.node().kind == '[' {
		list = slices.Collect(at.items())
	}
	for _, item := range list {
		text := ""
		switch item := item.orAbsent(); {
		case item.absent():
			continue
		case item.node().kind == '{':
			text = item.field("path").text()
		default:
			text = item.text()
			if text == "" || slices.Contains(harmless, text) {
				continue
			}
		}
		c.claim(policy.Privilege{Name: name, Value: text}, item)
	}
}

// libpodPodStart reads a pod that exists, with all its containers, and what
// starts with these.
func libpodPodStart(c *call) {
	pod := c.must(aPod, c.Vars["name"])
	if pod.absent() {
		return
	}
	name, read := pod.field("Name").text(), map[string]bool{}
	c.about(name, "", pod.field("Labels"))
	members := int64(0)
	for member := range pod.field("Containers").items() {
		members++
		if x := c.mustInspect(member.field("Id").text()); !x.absent() {
			c.held = "the pod " + name + " was created without safesock; remove it (podman pod rm -f " + name + ") and create it again"
			c.started(x, read)
		}
	}
	c.held = ""
	if members != pod.field("NumContainers").number() {
		c.refuse(http.StatusBadGateway, "the Engine does not name all containers of the pod %s", name)
	}
	c.pin("name", pod.field("Id").text())
}

// libpodNetworkCreate claims what reach does, and an interface that the host
// has already.
func libpodNetworkCreate(c *call) {
	network := c.body()
	c.reach(network, network)
	if at := network.field("network_interface"); at.text() != "" && network.field("driver").text() != "macvlan" {
		if a, ok := c.ask(AboutInterface, at.text()); ok && a.Exists {
			c.networkClaim(network, "existing-bridge", at)
		}
	}
}

// libpodSecretCreate claims the driver of a secret, and its options: "shell"
// runs commands on the host, "file" writes where its option says.
func libpodSecretCreate(c *call) {
	if driver := c.query("driver"); driver != "" && driver != "file" {
		c.parameter(policy.Privilege{Name: "secret_driver", Value: driver}, "driver")
	}
	if options := c.query("driveropts"); options != "" && options != "null" && options != "{}" {
		c.parameter(policy.Privilege{Name: "secret_driver", Value: options}, "driveropts")
	}
}

// libpodVolume claims what a volume that exists stands for.
func libpodVolume(c *call) {
	c.volume(c.Vars["name"], "", false, value{})
}

// libpodImport claims the address that an image is fetched from.
func libpodImport(c *call) {
	if source := c.query("url"); source != "" {
		c.parameter(policy.Privilege{Name: "remote", Value: source}, "url")
	}
}

// libpodPath is a reader of calls that name a file or folder of the host in a
// parameter of the query.
func libpodPath(parameter string) reader {
	return func(c *call) {
		if source := c.query(parameter); source != "" {
			cl := c.bind(source, "", true, value{})
			cl.parameter, cl.text = parameter, quote(source)
		}
	}
}

// opaque is a reader of calls that can ask for anything, in forms that are not
// read: Kubernetes' YAML, checkpoints, systemd's units. They claim one of each
// kind, so that each kind's rules are asked.
func opaque(name string) reader {
	return func(c *call) {
		c.claim(policy.Privilege{Name: "libpod", Value: name}, value{})
		c.claim(policy.Network{Mode: "host", Name: "host"}, value{})
		c.claim(policy.Mount{Source: "/", Engine: true}, value{})
		c.claim(policy.Port{Protocol: "tcp"}, value{})
	}
}
