package rewrite

import (
	"cmp"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/safesock/safesock/policy"
)

// sockets are where container engines and what they are made of listen. A
// socket with one of their names is one wherever it lies.
var sockets = []string{
	"/run/docker.sock",
	"/run/containerd/containerd.sock",
	"/run/containerd/containerd.sock.ttrpc",
	"/run/docker/containerd/containerd.sock",
	"/run/podman/podman.sock",
	"/run/crio/crio.sock",
	"/run/buildkit/buildkitd.sock",
	"/run/cri-dockerd.sock",
	"/run/user/0/docker.sock", // with its folders it stands for every user's
	"/proc/1/root/run/docker.sock",
}

// bind claims a path of the host. Engines clean it before the kernel follows
// its symbolic links. safesock's own socket counts as the Engine's, which it
// stands for, and is none that gives access to an engine.
func (c *call) bind(source, target string, readOnly bool, at value) *claim {
	m := policy.Mount{Source: source, Target: target, ReadOnly: readOnly}
	if path.IsAbs(source) {
		m.Source = path.Clean(source)
	}
	if path.IsAbs(source) && m.Source != c.Listen {
		if a, ok := c.ask(AboutPath, m.Source); ok && a.Path != "" {
			m.Source = a.Path
		}
	}
	m.Socket = m.Source == c.Upstream || m.Source == c.Listen
	m.Engine = m.Source != c.Listen && (m.Socket || c.holdsSocket(m.Source))
	return c.claim(m, at)
}

// holdsSocket tells whether a path is an engine's socket, or holds one, or might.
func (c *call) holdsSocket(source string) bool {
	folder := strings.TrimSuffix(source, "/") + "/"
	if strings.HasPrefix(c.Upstream, folder) {
		return true
	}
	if strings.HasPrefix(folder, "/run/user/") && strings.Count(folder, "/") == 4 {
		return true
	}
	if behindProcess.MatchString(folder) || strings.HasPrefix(source, ".") { // relative: to a folder that only the Engine knows
		return true
	}
	for _, socket := range sockets {
		if strings.HasPrefix(socket, folder) || path.Base(socket) == path.Base(source) {
			return true
		}
	}
	return false
}

// behindProcess is what a process has open, or its root: it can be anything.
var behindProcess = regexp.MustCompile(`^/proc/(self|thread-self|[0-9]+)/`)

// binds claims the host's paths in HostConfig.Binds, as in "/src:/dst:ro".
// What does not begin with a slash is the name of a volume.
func (c *call) binds(host value) {
	for item := range host.field("Binds").items() {
		c.spec(item, item.text(), true)
	}
}

// volumeKeys claims the keys of Config.Volumes. The Engine takes them for
// folders in the container, Podman for what Binds holds.
func (c *call) volumeKeys(volumes value) {
	for key, m := range volumes.members() {
		if strings.Contains(key, ":") {
			c.spec(m, key, false)
		}
	}
}

// spec claims the path or the volume of a text like "/src:/dst:ro".
func (c *call) spec(at value, text string, editable bool) {
	source, rest, found := strings.Cut(text, ":")
	if !found {
		return
	}
	target, mode, _ := strings.Cut(rest, ":")
	options := strings.Split(mode, ",")
	readOnly := slices.Contains(options, "ro") || slices.Contains(options, "readonly")
	c.keptFolders(options, target, at)
	// Podman takes what begins with a dot for a path, too.
	if !strings.HasPrefix(source, "/") && !strings.HasPrefix(source, ".") {
		c.volume(source, target, readOnly, at)
		return
	}
	cl := c.bind(source, target, readOnly, at)
	if !editable {
		cl.held = "name it in Binds"
		return
	}
	cl.edit = func(policy.Decision) string {
		text := quote(c.Listen + text[len(source):])
		c.replace(at, text)
		return text
	}
}

// keptFolders claims the folders in which Podman's overlay volumes keep what is
// written. It knows the options by how they begin.
func (c *call) keptFolders(options []string, target string, at value) {
	for _, option := range options {
		name, folder, _ := strings.Cut(option, "=")
		if folder != "" && (strings.HasPrefix(name, "upperdir") || strings.HasPrefix(name, "workdir")) {
			c.bind(folder, target, false, at)
		}
	}
}

// mounts claims the host's paths in HostConfig.Mounts, and in the services' of
// the same type.
func (c *call) mounts(list value) {
	for m := range list.items() {
		c.mountTexts(m)
		source, target := m.field("Source").text(), m.field("Target").text()
		readOnly := m.field("ReadOnly").flag()
		switch kind := m.field("Type").text(); kind {
		case "tmpfs", "image":
		case "volume":
			c.volume(source, target, readOnly, m)
			driver := m.field("VolumeOptions").field("DriverConfig")
			c.volumeOptions(driver.field("Name"), driver.field("Options"), target, readOnly)
		default:
			if source == "" {
				continue
			}
			c.bind(source, target, readOnly, m).edit = func(policy.Decision) string {
				return c.setInside(m, "Source", quote(c.Listen))
			}
		}
	}
}

// mountTexts refuses texts of a mount that Podman takes apart: it makes the
// mount an option of its command line, as in "type=bind,source=/a,target=/b".
func (c *call) mountTexts(m value) {
	for _, text := range []value{
		m.field("Type"), m.field("Source"), m.field("Target"), m.field("Consistency"),
		m.field("BindOptions").field("Propagation"), m.field("VolumeOptions").field("Subpath"),
	} {
		if strings.ContainsAny(text.text(), ",\"\n") && c.podman() {
			c.refuse(http.StatusBadRequest, "%s: Podman takes what follows a comma or a quote for other options of the mount", text.pointer())
		}
	}
}

// volume claims the host's path that a volume stands for, by what the Engine
// says about it. One that does not exist yet is made by the Engine, and holds
// no such path.
func (c *call) volume(name, target string, readOnly bool, at value) {
	if name == "" {
		return
	}
	v := c.engine(aVolume, name)
	for _, cl := range c.volumeOptions(v.field("Driver"), v.field("Options"), target, readOnly) {
		if !at.absent() && at.doc.name == "" {
			cl.at = at
		}
		cl.edit = nil
		cl.held = "it is the volume " + name + "; remove that and create it anew"
	}
}

// volumeOptions claims what a volume's driver makes of its options. The local
// driver mounts what they say, as mount(8) would.
func (c *call) volumeOptions(driver, options value, target string, readOnly bool) []*claim {
	switch name := driver.text(); name {
	case "", "local":
	default:
		return []*claim{c.claim(policy.Privilege{Name: "volume_driver", Value: name}, driver)}
	}
	kind, flags, device := localOptions(options)
	at := device
	if at.orAbsent().absent() {
		at = options
	}
	claims, bound := c.mounted(kind, device.text(), strings.Split(flags, ","), target, readOnly, at, options)
	if bound != nil && at == device && device.doc.name == "" {
		bound.edit = func(policy.Decision) string {
			c.replace(device, quote(c.Listen))
			return quote(c.Listen)
		}
	}
	return claims
}

// mounted claims what mount(2) makes of a file system, its device and its
// options, which are made by the values at and list. Of the claims, bound is the
// device's, if that is a path of the host.
func (c *call) mounted(kind, device string, options []string, target string, readOnly bool, at, list value) (claims []*claim, bound *claim) {
	readOnly = readOnly || slices.Contains(options, "ro")
	for _, option := range options {
		name, folders, _ := strings.Cut(option, "=")
		if (kind != "overlay" || slices.Contains(overlayFlags, name)) && !strings.HasSuffix(name, "dir") {
			continue
		}
		for folder := range strings.SplitSeq(folders, ":") {
			if folder != "" {
				claims = append(claims, c.bind(folder, target, readOnly, list))
			}
		}
	}
	binds := bindOption(options)
	source := cmp.Or(device, kind) // Podman takes the type of one without a device for that, too
	remote := strings.HasPrefix(kind, "nfs") || kind == "cifs" || strings.HasPrefix(kind, "smb")
	if source == "" || !binds && (kind == "tmpfs" || kind == "overlay" && len(claims) > 0) {
		return claims, nil
	}
	if !binds && !remote && kind != "none" && kind != "overlay" { // a block device, the kernel's own, or what a helper of mount(8) makes of it
		claims = append(claims, c.claim(policy.Privilege{Name: "device", Value: strings.TrimSpace(kind + " " + device)}, at))
	}
	if !binds && (remote || !strings.HasPrefix(source, "/")) {
		return append(claims, c.claim(policy.Mount{Source: source, Target: target, ReadOnly: readOnly}, at)), nil
	}
	bound = c.bind(source, target, readOnly, at)
	return append(claims, bound), bound
}

func bindOption(options []string) bool {
	return slices.Contains(options, "bind") || slices.Contains(options, "rbind")
}

// ownFileSystems are those that runtimes make anew for a container. Its /proc
// and /sys are not among them: where they are mounted by a call, no path of them
// is masked or read-only.
var ownFileSystems = []string{"tmpfs", "ramfs", "devpts", "mqueue"}

// runtimeMount claims a mount as runtimes know them (OCI's runtime
// specification).
func (c *call) runtimeMount(kind, source string, options []string, target string, readOnly bool, at value) (bound *claim) {
	binds := kind == "bind" || bindOption(options)
	switch {
	case binds:
		kind, source = "none", cmp.Or(source, ".")
	case slices.Contains(ownFileSystems, kind):
		return nil
	}
	if binds || strings.HasPrefix(source, "/") {
		options = append(options, "bind")
	}
	_, bound = c.mounted(kind, source, options, target, readOnly, at, at)
	return bound
}

// localOptions reads the options that the local driver knows.
func localOptions(options value) (kind, flags string, device value) {
	seen := map[string]bool{}
	for key, m := range options.members() {
		key = strings.ToLower(key)
		if seen[key] {
			m.wrong("the option " + key + " appears twice") // Engines do not agree on which counts
		}
		seen[key] = true
		switch key {
		case "type":
			kind = m.text()
		case "o":
			flags = m.text()
		case "device":
			device = m
		}
	}
	if kind == "overlay" && strings.Contains(flags, `\`) {
		options.wrong("the kernel takes backslashes out of an overlay's folders; name them without")
	}
	return kind, flags, device
}

// overlayFlags are the options of an overlay that name no folder (the kernel's
// Documentation/filesystems/overlayfs.rst).
var overlayFlags = []string{
	"", "rw", "noatime", "relatime", "nodev", "nosuid", "noexec", "index", "metacopy", "nfs_export", "redirect_dir",
	"userxattr", "uuid", "verity", "volatile", "xino",
}

// volumeDriver claims the driver of a container's unnamed volumes.
func (c *call) volumeDriver(host value) {
	driver := host.field("VolumeDriver")
	if name := driver.text(); name != "" && name != "local" {
		c.claim(policy.Privilege{Name: "volume_driver", Value: name}, driver)
	}
}

// volumesFrom claims what a container gets with the volumes of others.
func (c *call) volumesFrom(list value) {
	for item := range list.items() {
		name, _, _ := strings.Cut(item.text(), ":")
		x := c.inspect(name)
		if x.absent() {
			continue // the Engine refuses it
		}
		held := c.held
		if held == "" {
			c.held = "it comes with the volumes of the container " + name
		}
		c.containerMounts(x, item)
		c.held = held
	}
}

// containerMounts claims what a container that exists has mounted. Podman tells
// of every mount but volumes that it is a bind, and only in its own form what
// the options were.
func (c *call) containerMounts(x, at value) {
	if own := c.podmans(x); !own.absent() {
		x = own
	}
	if rootfs := x.field("Rootfs").text(); rootfs != "" {
		c.bind(rootfs, "/", false, at)
	}
	for m := range x.field("Mounts").items() {
		target, readOnly := m.field("Destination").text(), !m.field("RW").flag()
		options := m.field("Options").texts()
		switch m.field("Type").text() {
		case "tmpfs", "image":
		case "volume":
			c.volume(m.field("Name").text(), target, readOnly, at)
			c.keptFolders(options, target, at)
		default:
			if source := m.field("Source").text(); source != "" {
				c.runtimeMount("overlay", source, options, target, readOnly, at)
			}
		}
	}
}
