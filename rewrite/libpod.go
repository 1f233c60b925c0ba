package rewrite

import (
	"net/http"
	"slices"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// Podman's own API. Its bodies ask for the same things as Docker's, with other
// names (podman: pkg/specgen). Objects that they name are looked up through
// Podman's Docker API.

// libpodSpec reads the specification of a new container or pod.
func libpodSpec(c *reading) {
	spec := c.body()
	c.about(spec.Field("name").Text(), spec.Field("image").Text(), spec.Field("labels"))

	c.libpodPorts(spec)
	// With these modes, Podman drops the ports of a container, and refuses a pod.
	if mode := spec.Field("netns").Field("nsmode").Text(); mode == "host" || mode == "none" || mode == "container" {
		c.markUnpublished(mode)
	}
	c.libpodNetworks(spec)

	for m := range spec.Field("mounts").Items() {
		c.libpodMount(m)
	}
	for v := range spec.Field("volumes").Items() {
		options := v.Field("Options").Texts()
		c.volume(v.Field("Name").Text(), v.Field("Dest").Text(), isReadOnly(options), v)
		c.keptFolders(options, v.Field("Dest").Text(), v)
	}
	for v := range spec.Field("overlay_volumes").Items() {
		if source := v.Field("source").Text(); source != "" {
			c.bind(source, v.Field("destination").Text(), false, v)
		}
		c.keptFolders(v.Field("options").Texts(), v.Field("destination").Text(), v)
	}
	if rootfs := spec.Field("rootfs"); rootfs.Text() != "" {
		c.bind(rootfs.Text(), "/", false, rootfs)
	}
	if init := spec.Field("init_path"); init.Text() != "" {
		c.bind(init.Text(), "/dev/init", true, init)
	}
	c.volumesFrom(spec.Field("volumes_from"))
	c.libpodService(spec.Field("serviceContainerID"))
	c.libpodPrivileges(spec)
	c.workingDir(spec.Field("work_dir"))
	if image := spec.Field("infra_image"); isFile(image.Text()) { // Podman pulls it
		c.claim(policy.Privilege{Name: "libpod", Value: image.Text()}, image)
	}
}

// libpodService claims what a container gets that starts with a pod, without
// being in it: any can be named, and the pod does not tell of it later.
func (c *reading) libpodService(at jsonedit.Value) {
	if at.Text() == "" {
		return
	}
	if x := c.mustInspect(at.Text()); !x.Absent() {
		c.exists(x, "the container "+nameOf(x)+", which starts with the pod, was created without safesock or under another policy; remove it and create it again")
		c.started(x, map[string]bool{})
		c.pinText(at, x.Field("Id").Text())
	}
}

// libpodNetworks claims the networks of a container or pod.
func (c *reading) libpodNetworks(spec jsonedit.Value) {
	netns := spec.Field("netns")
	mode, name := netns.Field("nsmode").Text(), netns.Field("value")
	options := map[string]string{}
	for key, list := range spec.Field("network_options").Members() {
		options[key] = strings.Join(list.Texts(), " ")
	}
	switch mode {
	case "", "default", "private", "bridge", "none", "pod", "pasta", "slirp4netns":
	case "host":
		c.attach(mode, netns)
	case "container":
		x := c.inspect(name.Text())
		if x.Absent() {
			c.attachment(policy.Network{Mode: "container", Name: name.Text()}, netns)
			break
		}
		c.containerNetworks(x, netns, 0)
		c.pinText(name, x.Field("Id").Text())
	default: // a path
		c.attachment(policy.Network{Mode: "ns", Name: name.Text()}, netns)
	}
	// Their options can be such as pasta's own way to publish ports. A user's
	// own Podman takes one of the two where no mode is named.
	for _, kind := range []string{"pasta", "slirp4netns"} {
		switch {
		case mode == kind && (name.Text() != "" || options[kind] != ""):
			c.attachment(policy.Network{Mode: kind, Name: name.Text(), Options: options}, netns)
		case options[kind] != "":
			c.attachment(policy.Network{Mode: kind, Options: options}, spec.Field("network_options").Field(kind))
		}
	}
	for key, m := range spec.Field("Networks").Members() {
		c.attach(key, m)
	}
	for item := range spec.Field("cni_networks").Items() {
		c.attach(item.Text(), item)
	}
	if at := spec.Field("pod"); at.Text() != "" {
		pod := c.must(aPod, at.Text())
		if pod.Field("InfraConfig").Field("HostNetwork").Flag() {
			c.attach("host", at)
		}
		c.pinText(at, pod.Field("Id").Text())
	}
}

// libpodMount claims a mount that Podman passes to the runtime.
func (c *reading) libpodMount(m jsonedit.Value) {
	deviceClaim := c.runtimeMount(m.Field("type").Text(), m.Field("source").Text(), m.Field("options").Texts(), m.Field("destination").Text(), false, m)
	if deviceClaim != nil {
		deviceClaim.edit = func(d policy.Decision) string { return c.SetInside(m, "source", c.socketText(d)) }
	}
}

// libpodPrivileges claims what a specification asks for beyond an ordinary
// container.
func (c *reading) libpodPrivileges(spec jsonedit.Value) {
	if privileged := spec.Field("privileged"); privileged.Flag() {
		c.claim(policy.Privilege{Name: "privileged"}, privileged)
	}
	c.capabilities(spec.Field("cap_add"))
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
		at := spec.Field(ns.field)
		mode := at.Field("nsmode").Text()
		own := append(ns.own, "", "default", "private", "pod")
		if slices.Contains(own, mode) {
			continue
		}
		c.claim(policy.Privilege{Name: ns.name, Value: strings.TrimSuffix(mode+":"+at.Field("value").Text(), ":")}, at)
	}
	// Fields that are claims unless they are empty.
	for _, p := range []struct {
		field, name string
		harmless    []string
	}{
		{"devices", "device", nil},
		{"host_device_list", "device", nil},
		{"device_cgroup_rule", "device", nil},
		{"devices_from", "device", nil},
		{"gpus", "device", nil},
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
		c.anything(p.name, spec.Field(p.field), p.harmless)
	}
	if all := spec.Field("env_host"); all.Flag() { // the service's own environment, with all secrets in it
		c.claim(policy.Privilege{Name: "libpod", Value: "env_host"}, all)
	}
	if nested := spec.Field("label_nested"); nested.Flag() {
		c.claim(policy.Privilege{Name: "security_opt", Value: "label=nested"}, nested)
	}
	c.anything("libpod", spec.Field("intelRdt").Field("closID"), nil) // a folder of the host's /sys/fs/resctrl
	c.anything("libpod", spec.Field("log_configuration").Field("path"), nil)
	c.anything("device", spec.Field("resource_limits").Field("devices"), nil)
	for key, m := range spec.Field("annotations").Members() {
		switch name, _ := strings.CutPrefix(key, "io.podman.annotations."); {
		case name == "cid-file": // a file of the host, which Podman 5 removes with the container
			c.plain("container_id_file", m)
		case name != key && slices.Contains(podmanAnnotations, name), key == "io.kubernetes.cri-o.TTY":
		default:
			c.claim(policy.Privilege{Name: "annotation", Value: key}, m)
		}
	}
	c.runtime(spec.Field("oci_runtime"))
}

// podmanAnnotations are the annotations that the podman command adds itself, to tell
// later what it was asked for.
var podmanAnnotations = []string{
	"apparmor", "autoremove", "autoremove-image", "cpuset", "infra.name", "init", "init.container.type", "kube.health.check", "label",
	"memory-nodes", "pids-limit", "privileged", "publish-all", "seccomp", "ulimit", "userns", "volumes-from",
}

// libpodPodStart reads a pod that exists, with all its containers and their
// dependencies.
func libpodPodStart(c *reading) {
	pod := c.must(aPod, c.vars["name"])
	if pod.Absent() {
		return
	}
	name, read := pod.Field("Name").Text(), map[string]bool{}
	c.about(name, "", pod.Field("Labels"))
	members := int64(0)
	for member := range pod.Field("Containers").Items() {
		members++
		if x := c.mustInspect(member.Field("Id").Text()); !x.Absent() {
			c.exists(x, "the pod "+name+" was created without safesock or under another policy; remove it (podman pod rm -f "+name+") and create it again")
			c.started(x, read)
		}
	}
	if members != pod.Field("NumContainers").Number() {
		c.refuse(http.StatusBadGateway, "the Engine does not name all containers of the pod %s", name)
	}
	c.pin("name", pod.Field("Id").Text())
}

// libpodNetworkCreate claims what reach does, and an interface that the host
// has already.
func libpodNetworkCreate(c *reading) {
	network := c.body()
	c.reach(network, network)
	if at := network.Field("network_interface"); at.Text() != "" && network.Field("driver").Text() != "macvlan" {
		if c.host(c.world.HasInterface, at) {
			c.networkClaim(network, "existing-bridge", at)
		}
	}
}

// libpodSecretCreate claims the driver of a secret, and its options: "shell"
// runs commands on the host, "file" writes where its option says.
func libpodSecretCreate(c *reading) {
	if driver := c.query("driver"); driver != "" && driver != "file" {
		c.parameter(policy.Privilege{Name: "secret_driver", Value: driver}, "driver")
	}
	if options := c.query("driveropts"); options != "" && options != "null" && options != "{}" {
		c.parameter(policy.Privilege{Name: "secret_driver", Value: options}, "driveropts")
	}
}

// libpodVolume claims the host's path of a volume that exists.
func libpodVolume(c *reading) {
	c.volume(c.vars["name"], "", false, jsonedit.Value{})
}

// libpodImport claims the address that an image is fetched from.
func libpodImport(c *reading) {
	if source := c.query("url"); source != "" {
		c.parameter(policy.Privilege{Name: "remote", Value: source}, "url")
	}
}

// libpodPath returns a reader that claims the host's path in a query parameter.
func libpodPath(parameter string) reader {
	return func(c *reading) {
		if source := c.query(parameter); source != "" {
			cl := c.bind(source, "", true, jsonedit.Value{})
			cl.place, cl.text = "?"+parameter, jsonedit.Quote(source)
		}
	}
}

// opaque returns a reader for calls that can ask for anything, in formats that are
// not read: Kubernetes YAML, checkpoints, systemd units. It makes a claim of each
// kind, so that the rules of each kind decide.
func opaque(name string) reader {
	return func(c *reading) {
		c.claim(policy.Privilege{Name: "libpod", Value: name}, jsonedit.Value{})
		c.claim(policy.Network{Mode: "host", Name: "host"}, jsonedit.Value{})
		c.claim(policy.Mount{Source: "/", Engine: true}, jsonedit.Value{})
		c.claim(policy.Port{Protocol: "tcp"}, jsonedit.Value{})
	}
}
