package rewrite

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// privileges claims what a HostConfig asks for beyond an ordinary container.
func (c *reading) privileges(host jsonedit.Value) {
	privileged := host.Field("Privileged")
	if privileged.Flag() {
		c.claim(policy.Privilege{Name: "privileged"}, privileged)
	}
	c.capabilities(host.Field("CapAdd"))
	c.devices(host)
	c.namespace("pid", host.Field("PidMode"), "private")
	c.namespace("ipc", host.Field("IpcMode"), "private", "shareable", "none", "default")
	c.namespace("uts", host.Field("UTSMode"), "private")
	c.namespace("userns", host.Field("UsernsMode"), "private")
	if !c.isExisting(host) {
		// With cgroup v1 every container has the host's namespace, whatever the
		// client asked for.
		c.namespace("cgroupns", host.Field("CgroupnsMode"), "private")
	}
	c.plain("cgroup", host.Field("Cgroup"))
	c.cgroupParent(host.Field("CgroupParent"))
	c.securityOptions(host)
	c.runtime(host.Field("Runtime"))
	c.annotations(host.Field("Annotations"))
	c.volumeDriver(host)
	c.logOptions(host.Field("LogConfig").Field("Config"))
	// Podman's server writes the container's id to this file of the host. With
	// Docker, the client does.
	if file := host.Field("ContainerIDFile"); !c.isExisting(host) && file.Text() != "" && c.podman() {
		c.plain("container_id_file", file)
	}
}

// logOptions claims the path of the host that Podman writes the log to, and options
// that are not known. Podman makes a text like "path=/var/log/web" of each option,
// and what stands before the first "=" is the option. Docker has no path.
func (c *reading) logOptions(options jsonedit.Value) {
	for key, m := range options.Members() {
		switch name, path, _ := strings.Cut(key+"="+m.Text(), "="); {
		case name == "path" && path != "":
			c.claim(policy.Privilege{Name: "log_path", Value: path}, m)
		case name != "path" && !slices.Contains(podmanLogOptions, name) && c.podman():
			c.claim(policy.Privilege{Name: "unread", Value: "log option " + name}, m)
		}
	}
}

// podmanLogOptions are the options of logs that name no file. Podman reads the first
// three.
var podmanLogOptions = []string{"tag", "max-size", "driver", "max-file", "max-buffer-size", "mode", "compress", "labels", "labels-regex", "env", "env-regex"}

// annotations claims annotations, which runtimes act on. Podman adds annotations
// of its own, which a container that exists does not claim.
func (c *reading) annotations(object jsonedit.Value) {
	for key, m := range object.Members() {
		if c.isExisting(object) && slices.ContainsFunc(podmanNotes, func(note string) bool { return strings.HasPrefix(key, note) }) {
			continue
		}
		c.claim(policy.Privilege{Name: "annotation", Value: key}, m)
	}
}

var podmanNotes = []string{
	"io.podman.", "io.container.", "io.kubernetes.cri-o.ContainerType", "io.kubernetes.cri-o.SandboxID", "org.opencontainers.", "org.systemd.property.",
}

// cgroupParent claims a place in the host's cgroups. A container that exists does
// not claim the default that Podman chose: its own, or a pod's.
func (c *reading) cgroupParent(at jsonedit.Value) {
	if c.isExisting(at) && podmanParent.MatchString(at.Text()) && c.podman() {
		return
	}
	c.plain("cgroup_parent", at)
}

var podmanParent = regexp.MustCompile(`^(/libpod_parent(/[0-9a-f]{64})?|(machine|user)\.slice(/(machine|user)-libpod_pod_[0-9a-f]{64}\.slice)?)$`)

// plain claims a text unless it is empty.
func (c *reading) plain(name string, at jsonedit.Value) {
	if text := at.Text(); text != "" {
		c.claim(policy.Privilege{Name: name, Value: text}, at)
	}
}

// ordinary are the capabilities that Docker gives to every container.
var ordinary = []string{
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
	"NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}

// capabilities claims each capability beyond the ordinary ones. Engines accept a
// string as a list of itself.
func (c *reading) capabilities(list jsonedit.Value) {
	for item := range list.ItemsOrText() {
		name := strings.TrimPrefix(strings.ToUpper(item.Text()), "CAP_")
		if name != "" && !slices.Contains(ordinary, name) {
			c.claim(policy.Privilege{Name: "cap", Value: name}, item)
		}
	}
}

func (c *reading) devices(host jsonedit.Value) {
	for item := range host.Field("Devices").Items() {
		if !item.OrAbsent().Empty() {
			c.claim(policy.Privilege{Name: "device", Value: item.Field("PathOnHost").Text()}, item)
		}
	}
	for item := range host.Field("DeviceCgroupRules").Items() {
		c.plain("device", item)
	}
	for item := range host.Field("DeviceRequests").Items() {
		if item.OrAbsent().Empty() {
			continue
		}
		// As in --device vendor.com/class=name, or --gpus all.
		values := item.Field("DeviceIDs").Texts()
		if len(values) == 0 {
			for capabilities := range item.Field("Capabilities").Items() {
				values = append(values, capabilities.Texts()...)
			}
		}
		if len(values) == 0 {
			values = []string{item.Field("Driver").Text()}
		}
		for _, value := range values {
			c.claim(policy.Privilege{Name: "device", Value: value}, item)
		}
	}
}

// namespace claims a namespace that is not the container's own. A namespace of
// another container can be the host's.
func (c *reading) namespace(name string, mode jsonedit.Value, own ...string) {
	text := mode.Text()
	if text == "" || slices.Contains(own, text) {
		return
	}
	value := text
	if other, found := strings.CutPrefix(text, "container:"); found {
		if x := c.existing[mode.Document()]; x != nil && x.infra != "" {
			own = append(own, "container:"+x.infra) // the pod's namespace
		}
		field := map[string]string{"pid": "PidMode", "ipc": "IpcMode", "uts": "UTSMode", "userns": "UsernsMode"}[name]
		for range maxJoined {
			x := c.inspect(other)
			if x.Absent() || field == "" {
				break
			}
			if mode.Text() == text && other == strings.TrimPrefix(text, "container:") {
				c.pinText(mode, "container:"+x.Field("Id").Text())
			}
			next := x.Field("HostConfig").Field(field).Text()
			if next == "host" {
				value = "host"
			}
			if other, found = strings.CutPrefix(next, "container:"); !found {
				break
			}
		}
	}
	if !slices.Contains(own, value) {
		c.claim(policy.Privilege{Name: name, Value: value}, mode)
	}
}

// securityOptions claims what weakens the confinement of a container.
func (c *reading) securityOptions(host jsonedit.Value) {
	shared := host.Field("Privileged").Flag() || host.Field("PidMode").Text() == "host" || host.Field("IpcMode").Text() == "host"
	for item := range host.Field("SecurityOpt").Items() {
		text := item.Text()
		name, option, found := strings.Cut(text, "=")
		if !found {
			name, option, _ = strings.Cut(text, ":")
		}
		switch {
		case name == "" || name == "no-new-privileges" && option != "false":
			continue
		case name == "seccomp" && option == "builtin", name == "apparmor" && option == "docker-default":
			continue
		case c.isExisting(host) && shared && name == "label" && option == "disable":
			continue // the Engine adds it
		case strings.HasPrefix(option, "{"):
			option = "profile" // the text of a whole seccomp profile
		}
		c.claim(policy.Privilege{Name: "security_opt", Value: name + "=" + option}, item)
	}
	// A list that lacks one of the Engine's own paths opens that path; null does
	// not. A privileged container has all paths anyway. The list of a container
	// that exists is that of the Engine's version, which can be shorter.
	for _, system := range systemPaths {
		list := host.Field(system.field)
		if list.Absent() || shared {
			continue
		}
		texts := list.Texts()
		lacks := func(path string) bool { return !slices.Contains(texts, path) }
		if lacks(system.paths[0]) || !c.isExisting(host) && slices.ContainsFunc(system.paths, lacks) {
			c.claim(policy.Privilege{Name: "security_opt", Value: "systempaths=unconfined"}, list)
			return
		}
	}
}

// systemPaths are the paths that every version of the Engine hides from containers
// or makes read-only (moby: oci/defaults.go). The first path of a list shows whether
// the Engine hides any.
var systemPaths = []struct {
	field string
	paths []string
}{
	{"MaskedPaths", []string{
		"/proc/kcore", "/proc/acpi", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
	}},
	{"ReadonlyPaths", []string{"/proc/sys", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sysrq-trigger"}},
}

// runtime claims a runtime other than the Engine's default.
func (c *reading) runtime(at jsonedit.Value) {
	switch name := at.Text(); name {
	case "", "runc", "crun", "oci", "io.containerd.runc.v2":
	default:
		if c.isExisting(at) && c.engine(engineInfo, "").Field("DefaultRuntime").Text() == name {
			return // the client need not have asked for it
		}
		c.claim(policy.Privilege{Name: "runtime", Value: name}, at)
	}
}

// workingDir claims a folder below /proc, which leads to the host's root with old
// runtimes (CVE-2024-21626).
func (c *reading) workingDir(at jsonedit.Value) {
	if dir := path.Clean(at.Text()); strings.HasPrefix(dir, "/proc/") {
		c.claim(policy.Privilege{Name: "working_dir", Value: dir}, at)
	}
}

// healthLogs are the places for the output of health checks that are not folders.
var healthLogs = []string{"local", "events_logger", "none"}

// podmanSeccomp are the paths of Podman's default seccomp profile.
var podmanSeccomp = []string{"/usr/share/containers/seccomp.json", "/etc/containers/seccomp.json"}

// anything claims a text that is not empty, or each item of a list. An object,
// such as a device, is claimed by its path.
func (c *reading) anything(name string, at jsonedit.Value, harmless []string) {
	if at.Absent() {
		return
	}
	list := []jsonedit.Value{at}
	if at.IsList() {
		list = slices.Collect(at.Items())
	}
	for _, item := range list {
		text := ""
		switch item := item.OrAbsent(); {
		case item.Absent():
			continue
		case item.IsObject():
			text = item.Field("path").Text()
		default:
			text = item.Text()
			if text == "" || slices.Contains(harmless, text) {
				continue
			}
		}
		c.claim(policy.Privilege{Name: name, Value: text}, item)
	}
}

// grants returns a reader that claims one privilege, whatever the call says.
func grants(name, text string) reader {
	return func(c *reading) {
		c.claim(policy.Privilege{Name: name, Value: text}, jsonedit.Value{})
	}
}
