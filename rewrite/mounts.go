package rewrite

import (
	"cmp"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
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
func (c *reading) bind(source, target string, readOnly bool, at jsonedit.Value) *claim {
	m := policy.Mount{Source: source, Target: target, ReadOnly: readOnly}
	if path.IsAbs(source) {
		m.Source = path.Clean(source)
	}
	if path.IsAbs(source) && m.Source != c.listen {
		if resolved := c.resolved(m.Source); resolved != "" {
			m.Source = resolved
		}
	}
	m.Socket = m.Source == c.upstream || m.Source == c.listen
	m.Engine = m.Source != c.listen && (m.Socket || c.holdsSocket(m.Source))
	return c.claim(m, at)
}

// holdsSocket tells whether a path is an engine's socket, or holds one, or might.
func (c *reading) holdsSocket(source string) bool {
	folder := strings.TrimSuffix(source, "/") + "/"
	if strings.HasPrefix(c.upstream, folder) {
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
func (c *reading) binds(host jsonedit.Value) {
	for item := range host.Field("Binds").Items() {
		c.spec(item, item.Text(), true)
	}
}

// volumeKeys claims the keys of Config.Volumes. The Engine takes them for
// folders in the container, Podman for what Binds holds.
func (c *reading) volumeKeys(volumes jsonedit.Value) {
	for key, m := range volumes.Members() {
		if strings.Contains(key, ":") {
			c.spec(m, key, false)
		}
	}
}

// spec claims the path or the volume of a text like "/src:/dst:ro".
func (c *reading) spec(at jsonedit.Value, text string, editable bool) {
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
		text := jsonedit.Quote(c.listen + text[len(source):])
		c.Replace(at, text)
		return text
	}
}

// keptFolders claims the folders in which Podman's overlay volumes keep what is
// written. It knows the options by how they begin.
func (c *reading) keptFolders(options []string, target string, at jsonedit.Value) {
	for _, option := range options {
		name, folder, _ := strings.Cut(option, "=")
		if folder != "" && (strings.HasPrefix(name, "upperdir") || strings.HasPrefix(name, "workdir")) {
			c.bind(folder, target, false, at)
		}
	}
}

// mounts claims the host's paths in HostConfig.Mounts, and in the services' of
// the same type.
func (c *reading) mounts(list jsonedit.Value) {
	for m := range list.Items() {
		c.mountTexts(m)
		source, target := m.Field("Source").Text(), m.Field("Target").Text()
		readOnly := m.Field("ReadOnly").Flag()
		switch kind := m.Field("Type").Text(); kind {
		case "tmpfs", "image":
		case "volume":
			c.volume(source, target, readOnly, m)
			driver := m.Field("VolumeOptions").Field("DriverConfig")
			c.volumeOptions(driver.Field("Name"), driver.Field("Options"), target, readOnly)
		default:
			if source == "" {
				continue
			}
			c.bind(source, target, readOnly, m).edit = func(policy.Decision) string {
				return c.SetInside(m, "Source", jsonedit.Quote(c.listen))
			}
		}
	}
}

// mountTexts refuses texts of a mount that Podman takes apart: it makes the
// mount an option of its command line, as in "type=bind,source=/a,target=/b".
func (c *reading) mountTexts(m jsonedit.Value) {
	for _, text := range []jsonedit.Value{
		m.Field("Type"), m.Field("Source"), m.Field("Target"), m.Field("Consistency"),
		m.Field("BindOptions").Field("Propagation"), m.Field("VolumeOptions").Field("Subpath"),
	} {
		if strings.ContainsAny(text.Text(), ",\"\n") && c.podman() {
			c.refuse(http.StatusBadRequest, "%s: Podman takes what follows a comma or a quote for other options of the mount", text.Pointer())
		}
	}
}

// volume claims the host's path that a volume stands for, by what the Engine
// says about it. One that does not exist yet is made by the Engine, and holds
// no such path.
func (c *reading) volume(name, target string, readOnly bool, at jsonedit.Value) {
	if name == "" {
		return
	}
	v := c.engine(aVolume, name)
	for _, cl := range c.volumeOptions(v.Field("Driver"), v.Field("Options"), target, readOnly) {
		if inBody(at) {
			cl.at = at
		}
		cl.edit = nil
		cl.held = "it is the volume " + name + "; remove that and create it anew"
	}
}

// volumeOptions claims what a volume's driver makes of its options. The local
// driver mounts what they say, as mount(8) would.
func (c *reading) volumeOptions(driver, options jsonedit.Value, target string, readOnly bool) []*claim {
	switch name := driver.Text(); name {
	case "", "local":
	default:
		return []*claim{c.claim(policy.Privilege{Name: "volume_driver", Value: name}, driver)}
	}
	kind, flags, device := localOptions(options)
	at := device
	if at.OrAbsent().Absent() {
		at = options
	}
	claims, bound := c.mounted(kind, device.Text(), strings.Split(flags, ","), target, readOnly, at, options)
	if bound != nil && at == device && inBody(device) {
		bound.edit = func(policy.Decision) string {
			c.Replace(device, jsonedit.Quote(c.listen))
			return jsonedit.Quote(c.listen)
		}
	}
	return claims
}

// mounted claims what mount(2) makes of a file system, its device and its
// options, which are made by the values at and list. Of the claims, bound is the
// device's, if that is a path of the host.
func (c *reading) mounted(kind, device string, options []string, target string, readOnly bool, at, list jsonedit.Value) (claims []*claim, bound *claim) {
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
func (c *reading) runtimeMount(kind, source string, options []string, target string, readOnly bool, at jsonedit.Value) (bound *claim) {
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
func localOptions(options jsonedit.Value) (kind, flags string, device jsonedit.Value) {
	seen := map[string]bool{}
	for key, m := range options.Members() {
		key = strings.ToLower(key)
		if seen[key] {
			m.Refuse("the option " + key + " appears twice") // Engines do not agree on which counts
		}
		seen[key] = true
		switch key {
		case "type":
			kind = m.Text()
		case "o":
			flags = m.Text()
		case "device":
			device = m
		}
	}
	if kind == "overlay" && strings.Contains(flags, `\`) {
		options.Refuse("the kernel takes backslashes out of an overlay's folders; name them without")
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
func (c *reading) volumeDriver(host jsonedit.Value) {
	driver := host.Field("VolumeDriver")
	if name := driver.Text(); name != "" && name != "local" {
		c.claim(policy.Privilege{Name: "volume_driver", Value: name}, driver)
	}
}

// volumesFrom claims what a container gets with the volumes of others.
func (c *reading) volumesFrom(list jsonedit.Value) {
	for item := range list.Items() {
		name, _, _ := strings.Cut(item.Text(), ":")
		x := c.inspect(name)
		if x.Absent() {
			continue // the Engine refuses it
		}
		before := len(c.claims)
		c.containerMounts(x, item)
		for _, cl := range c.claims[before:] {
			cl.held = cmp.Or(cl.held, "it comes with the volumes of the container "+name)
		}
	}
}

// containerMounts claims what a container that exists has mounted. Podman tells
// of every mount but volumes that it is a bind, and only in its own form what
// the options were.
func (c *reading) containerMounts(x, at jsonedit.Value) {
	if own := c.podmans(x); !own.Absent() {
		x = own
	}
	if rootfs := x.Field("Rootfs").Text(); rootfs != "" {
		c.bind(rootfs, "/", false, at)
	}
	for m := range x.Field("Mounts").Items() {
		target, readOnly := m.Field("Destination").Text(), !m.Field("RW").Flag()
		options := m.Field("Options").Texts()
		switch m.Field("Type").Text() {
		case "tmpfs", "image":
		case "volume":
			c.volume(m.Field("Name").Text(), target, readOnly, at)
			c.keptFolders(options, target, at)
		default:
			if source := m.Field("Source").Text(); source != "" {
				c.runtimeMount("overlay", source, options, target, readOnly, at)
			}
		}
	}
}
