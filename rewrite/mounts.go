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

// sockets are where container engines and their parts listen. A socket with the
// same name in another folder counts as an engine's, too.
var sockets = []string{
	"/run/docker.sock",
	"/run/containerd/containerd.sock",
	"/run/containerd/containerd.sock.ttrpc",
	"/run/docker/containerd/containerd.sock",
	"/run/podman/podman.sock",
	"/run/crio/crio.sock",
	"/run/buildkit/buildkitd.sock",
	"/run/cri-dockerd.sock",
	"/run/user/0/docker.sock", // for the folders: other users' sockets are matched by name
	"/proc/1/root/run/docker.sock",
}

// bind claims a path of the host. Engines clean the path before the kernel follows
// its symbolic links. safesock's own socket counts as Socket, like the socket that
// it guards, but not as Engine: it gives no access past the policy. A path that
// cannot be looked at counts as Engine. If no path can be, the text decides.
func (c *reading) bind(source, target string, readOnly bool, at jsonedit.Value) *claim {
	m := policy.Mount{Source: source, Target: target, ReadOnly: readOnly}
	if path.IsAbs(source) {
		m.Source = path.Clean(source)
	}
	var found resolution
	if path.IsAbs(source) && m.Source != c.listen {
		found = c.resolved(m.Source)
		m.Source, m.Unseen = cmp.Or(found.path, m.Source), found.unseen
	}
	m.Socket = m.Source == c.upstream || m.Source == c.listen || found.elsewhere && inRun(m.Source) == inRun(c.upstream)
	hidden := m.Unseen != "" && !found.elsewhere
	m.Engine = m.Source != c.listen && (m.Socket || hidden || c.holdsSocket(m.Source))
	return c.claim(m, at)
}

// holdsSocket reports whether a path is an engine's socket, or a folder that can
// hold such a socket.
func (c *reading) holdsSocket(source string) bool {
	folder := strings.TrimSuffix(source, "/") + "/"
	if strings.HasPrefix(c.upstream, folder) {
		return true
	}
	if strings.HasPrefix(folder, "/run/user/") && strings.Count(folder, "/") == 4 {
		return true
	}
	if behindProcess.MatchString(folder) || !strings.HasPrefix(source, "/") { // relative: to a folder that only the Engine knows
		return true
	}
	for _, socket := range sockets {
		if strings.HasPrefix(socket, inRun(folder)) || path.Base(socket) == path.Base(source) {
			return true
		}
	}
	return false
}

// behindProcess matches what a process has open, or its root, which can be any
// path.
var behindProcess = regexp.MustCompile(`^/proc/(self|thread-self|[0-9]+)/`)

// binds claims the host's paths in HostConfig.Binds, as in "/src:/dst:ro".
// A text that does not begin with a slash names a volume.
func (c *reading) binds(host jsonedit.Value) {
	for item := range host.Field("Binds").Items() {
		c.spec(item, item.Text(), true)
	}
}

// volumeTexts claims the keys of Config.Volumes. To Docker they are folders in the
// container; Podman reads them like the texts in Binds.
func (c *reading) volumeTexts(volumes jsonedit.Value) {
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
	readOnly := isReadOnly(options)
	c.keptFolders(options, target, at)
	// For Podman, a text that begins with a dot is a path, too.
	if !strings.HasPrefix(source, "/") && !strings.HasPrefix(source, ".") {
		c.volume(source, target, readOnly, at)
		return
	}
	cl := c.bind(source, target, readOnly, at)
	if !editable {
		cl.advice = "name it in Binds"
		return
	}
	cl.edit = func(d policy.Decision) string {
		text := jsonedit.Quote(cmp.Or(d.With, c.listen) + text[len(source):])
		c.Replace(at, text)
		return text
	}
}

// keptFolders claims the folders in which Podman's overlay volumes keep changes,
// and options that are not known. Podman recognizes the folders' options by their
// beginning.
func (c *reading) keptFolders(options []string, target string, at jsonedit.Value) {
	for _, option := range options {
		switch name, folder, _ := strings.Cut(option, "="); {
		case slices.Contains(mountFlags, name):
		case folder != "" && (strings.HasPrefix(name, "upperdir") || strings.HasPrefix(name, "workdir")):
			c.bind(folder, target, false, at)
		default:
			c.claim(policy.Privilege{Name: "unread", Value: option}, at)
		}
	}
}

// mountFlags are the options that change how a path is mounted, and name no other
// path.
var mountFlags = []string{
	"", "ro", "readonly", "rw", "bind", "rbind", "nocopy", "copy",
	"exec", "noexec", "suid", "nosuid", "dev", "nodev", "sync", "dirsync", "async",
	"atime", "noatime", "relatime", "norelatime", "strictatime", "nostrictatime", "diratime", "nodiratime",
	"private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable",
	"z", "Z", "U", "O", "volatile", "idmap", // Podman's: labels, owners, changes that are thrown away, ids
	"cached", "consistent", "delegated", "consistency", "default", // Docker Desktop's
	"size", "mode", "uid", "gid", "tmpcopyup", "notmpcopyup", // for a tmpfs
	"inodes", "noquota", "timeout", // for a volume
}

// mounts claims the host's paths in HostConfig.Mounts. A service's mounts have the
// same type.
func (c *reading) mounts(list jsonedit.Value) {
	for m := range list.Items() {
		c.mountTexts(m)
		source, target := m.Field("Source").Text(), m.Field("Target").Text()
		readOnly := m.Field("ReadOnly").Flag()
		switch kind := m.Field("Type").Text(); kind {
		case "tmpfs", "image", "ramfs", "devpts":
			if strings.HasPrefix(source, "/") { // Podman makes a folder of this name
				c.bind(source, target, readOnly, m)
			}
		case "volume":
			c.volume(source, target, readOnly, m)
			driver := m.Field("VolumeOptions").Field("DriverConfig")
			c.volumeOptions(driver.Field("Name"), driver.Field("Options"), target, readOnly)
		default:
			if kind != "bind" && kind != "" && kind != "npipe" && kind != "cluster" { // Podman's glob: a pattern of paths
				c.claim(policy.Privilege{Name: "unread", Value: "mount of type " + kind}, m.Field("Type"))
			}
			// Without a source, Podman takes the target for it, and Docker refuses the
			// mount.
			if source = cmp.Or(source, target); source == "" {
				continue
			}
			c.bind(source, target, readOnly, m).edit = func(d policy.Decision) string {
				return c.SetInside(m, "Source", c.socketText(d))
			}
		}
	}
}

// mountTexts refuses texts that Podman would split. It turns the mount into a
// command-line option like "type=bind,source=/a,target=/b".
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

// volume claims the host's path that the Engine mounts for a volume. For a volume
// that does not exist yet, the Engine makes a folder of its own.
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
		cl.advice = "it is the volume " + name + "; remove that and create it anew"
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
	for key, m := range options.Members() {
		if !slices.Contains(volumeKeys, strings.ToLower(key)) {
			c.claim(policy.Privilege{Name: "unread", Value: key}, m)
		}
	}
	kind, flags, device := localOptions(options)
	at := device
	if at.OrAbsent().Absent() {
		at = options
	}
	claims, deviceClaim := c.mounted(kind, device.Text(), strings.Split(flags, ","), target, readOnly, at, options)
	if deviceClaim != nil && at == device && inBody(device) {
		deviceClaim.edit = func(d policy.Decision) string {
			c.Replace(device, c.socketText(d))
			return c.socketText(d)
		}
	}
	return claims
}

// volumeKeys are the options of the local driver. In upper case, Podman tells what
// it has read in the option "o".
var volumeKeys = []string{"type", "device", "o", "size", "inodes", "uid", "gid", "noquota"}

// mounted claims what mount(2) mounts for a file system, its device and its
// options. The values at and list make the claims of the device and of the
// options. The deviceClaim is one of the claims, nil unless the device is a path
// of the host.
func (c *reading) mounted(kind, device string, options []string, target string, readOnly bool, at, list jsonedit.Value) (claims []*claim, deviceClaim *claim) {
	readOnly = readOnly || isReadOnly(options)
	binds := bindOption(options)
	for _, option := range options {
		name, folders, _ := strings.Cut(option, "=")
		if binds && kind != "overlay" && !slices.Contains(mountFlags, name) {
			claims = append(claims, c.claim(policy.Privilege{Name: "unread", Value: option}, list))
		}
		if (kind != "overlay" || slices.Contains(overlayFlags, name)) && !strings.HasSuffix(name, "dir") {
			continue
		}
		for folder := range strings.SplitSeq(folders, ":") {
			if folder != "" {
				claims = append(claims, c.bind(folder, target, readOnly, list))
			}
		}
	}
	source := cmp.Or(device, kind) // without a device, Podman takes the type for it
	remote := strings.HasPrefix(kind, "nfs") || kind == "cifs" || strings.HasPrefix(kind, "smb")
	if source == "" || !binds && (kind == "tmpfs" || kind == "overlay" && len(claims) > 0) {
		return claims, nil
	}
	if !binds && !remote && kind != "none" && kind != "overlay" { // a block device, a file system of the kernel's own, or of a helper of mount(8)
		claims = append(claims, c.claim(policy.Privilege{Name: "device", Value: strings.TrimSpace(kind + " " + device)}, at))
	}
	if !binds && (remote || !strings.HasPrefix(source, "/")) {
		return append(claims, c.claim(policy.Mount{Source: source, Target: target, ReadOnly: readOnly}, at)), nil
	}
	deviceClaim = c.bind(source, target, readOnly, at)
	return append(claims, deviceClaim), deviceClaim
}

// isReadOnly reports whether options make a mount read-only. The last of "ro" and
// "rw" counts, and no other word (moby/sys/mount: parseOptions).
func isReadOnly(options []string) bool {
	for _, option := range slices.Backward(options) {
		if option == "ro" || option == "rw" {
			return option == "ro"
		}
	}
	return false
}

func bindOption(options []string) bool {
	return slices.Contains(options, "bind") || slices.Contains(options, "rbind")
}

// ownFileSystems are file systems that are new for each container. /proc
// and /sys are not: if a call mounts them, none of their paths is masked or
// read-only.
var ownFileSystems = []string{"tmpfs", "ramfs", "devpts", "mqueue"}

// runtimeMount claims a mount as the OCI runtime specification describes it. The
// deviceClaim is nil unless the source is a path of the host.
func (c *reading) runtimeMount(kind, source string, options []string, target string, readOnly bool, at jsonedit.Value) (deviceClaim *claim) {
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
	_, deviceClaim = c.mounted(kind, source, options, target, readOnly, at, at)
	return deviceClaim
}

// localOptions reads the options of the local volume driver.
func localOptions(options jsonedit.Value) (kind, flags string, device jsonedit.Value) {
	seen := map[string]bool{}
	for key, m := range options.Members() {
		key = strings.ToLower(key)
		if seen[key] {
			m.Refuse("the option " + key + " appears twice") // Engines differ in which they take
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

// overlayFlags are the overlay options that name no folder (the kernel's
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

// volumesFrom claims the volumes that a container takes over from others.
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
			cl.advice = cmp.Or(cl.advice, "it comes with the volumes of the container "+name)
		}
	}
}

// containerMounts claims the mounts of a container that exists. Podman describes
// every mount except volumes as a bind, and tells the options in its own API only.
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
			source, kind := m.Field("Source").Text(), "overlay"
			isOverlay := slices.ContainsFunc(options, func(o string) bool { return strings.HasPrefix(o, "lowerdir") })
			if slices.Contains(ownFileSystems, source) && !isOverlay {
				kind = source // Podman does not tell the type, which is the source of these
			}
			if source != "" {
				c.runtimeMount(kind, source, options, target, readOnly, at)
			}
		}
	}
}
