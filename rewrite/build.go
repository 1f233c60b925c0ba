package rewrite

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// build claims what the query of a build asks for. The body is the build's context
// and is not read: a Dockerfile cannot ask for more. Podman is different: it builds
// on the host's network by default, and a RUN can ask for it in any case.
func build(c *reading) {
	c.buildNetwork(c.query("networkmode"))
	if c.podman() {
		c.claim(policy.Network{Mode: "host", Name: "host", Driver: "host"}, jsonedit.Value{})
	}

	if c.buildsWithBuildKit() {
		c.parameter(policy.Privilege{Name: "buildkit", Value: "build"}, "version")
		c.unfixedBuildKit()
		c.parameter(policy.Privilege{Name: "frontend", Value: anyFrontend}, "version")
		c.ownSession(c.query("session"), "?session")
		c.ownBuild(c.query("buildid"), "?buildid")
	}
	if parent := c.query("cgroupparent"); parent != "" {
		c.parameter(policy.Privilege{Name: "cgroup_parent", Value: parent}, "cgroupparent")
	}
	if remote := c.query("remote"); remote != "" && (remote != "client-session" || !c.buildsWithBuildKit()) {
		c.parameter(policy.Privilege{Name: "remote", Value: remote}, "remote")
	}
	c.podmanBuild()
}

// buildsWithBuildKit reports whether a call to /build is for BuildKit. An Engine's
// classic builder builds if the version is "1" or missing.
func (c *reading) buildsWithBuildKit() bool {
	isClassic := func(version string) bool { return version == "" || version == "1" }
	return slices.ContainsFunc(c.parameters("version"), func(version string) bool { return !isClassic(version) }) && !c.podman()
}

// buildNetwork claims the network of a build's containers. Each of them looks up
// the container whose network it joins by name. That container must exist, and
// its name is replaced by its id.
func (c *reading) buildNetwork(mode string) {
	before := len(c.claims)
	if name, found := strings.CutPrefix(mode, "container:"); found {
		x := c.inspect(name)
		if x.Absent() {
			c.refuse(http.StatusNotFound, "?networkmode: no such container: %s", name)
		}
		c.containerNetworks(x, jsonedit.Value{}, 0)
		c.pinParameter("networkmode", "container:"+x.Field("Id").Text())
	} else {
		c.attach(mode, jsonedit.Value{})
		c.pinBuildNetwork(mode)
	}
	for _, cl := range c.claims[before:] {
		cl.place, cl.text = "?networkmode", jsonedit.Quote(mode)
	}
}

// pinBuildNetwork replaces the name of a network by its id. Podman's networks
// have names that never mean another one.
func (c *reading) pinBuildNetwork(mode string) {
	switch mode {
	case "", "default", "bridge", "host", "none":
		return
	}
	if strings.HasPrefix(c.path, "/libpod/") || c.podman() {
		return
	}
	c.pinParameter("networkmode", c.must(aNetwork, mode).Field("Id").Text())
}

// podmanBuild claims what else the query can ask of a Podman build.
func (c *reading) podmanBuild() {
	for _, p := range []struct{ parameter, privilege string }{
		{"volume", "volume"}, // a folder of the host
		{"devices", "device"},
		{"addcaps", "cap"},
		{"seccomp", "security_opt"},
		{"apparmor", "security_opt"},
		{"labelopts", "security_opt"},
		{"securityopt", "security_opt"},
		{"additionalbuildcontexts", "libpod"},
		{"localcontextdir", "libpod"}, // a folder of the host, as context
		{"rusagelogfile", "libpod"},   // a file of the host, to be written
		{"outputs", "libpod"},         // the same
		{"sbom-output", "libpod"},
		{"sbom-purl-output", "libpod"},
	} {
		for _, text := range c.parameters(p.parameter) {
			if text != "" && text != "null" && text != "[]" && text != "{}" && !slices.Contains(podmanSeccomp, text) {
				c.parameter(policy.Privilege{Name: p.privilege, Value: text}, p.parameter)
			}
		}
	}
	for _, name := range []string{"secrets", "dockerfile"} {
		for _, text := range c.parameters(name) {
			if strings.Contains(text, "..") { // a file outside the context
				c.parameter(policy.Privilege{Name: "libpod", Value: text}, name)
			}
		}
	}
	for _, name := range []string{"t", "manifest"} {
		for _, text := range c.parameters(name) {
			if isFile(text) {
				c.parameter(policy.Privilege{Name: "libpod", Value: text}, name)
			}
		}
	}
	if text := c.query("isolation"); text == "chroot" || text == "2" {
		c.parameter(policy.Privilege{Name: "security_opt", Value: "isolation=" + text}, "isolation")
	}
	for _, text := range c.parameters("nsoptions") {
		c.buildNamespaces(text)
	}
}

// fileTransports are the transports that write an image to files of the host
// (containers-transports(5)).
var fileTransports = []string{"containers-storage", "dir", "docker-archive", "docker-daemon", "oci", "oci-archive", "ostree", "sif", "tarball"}

// buildNamespaces claims the namespaces that a Podman build shares, from a list
// like [{"Name":"network","Host":true,"Path":""}].
func (c *reading) buildNamespaces(text string) {
	var namespaces []struct {
		Name, Path string
		Host       bool
	}
	if err := json.Unmarshal([]byte(text), &namespaces); text != "" && err != nil {
		c.refuse(http.StatusBadRequest, "?nsoptions: %v", err)
	}
	for _, ns := range namespaces {
		switch {
		case !ns.Host && (ns.Path == "" || ns.Path == "none"), ns.Name == "user" && ns.Path == "": // Podman's default
		case ns.Name == "network" && ns.Host:
			c.parameter(policy.Network{Mode: "host", Name: "host", Driver: "host"}, "nsoptions")
		case ns.Name == "network" && !strings.HasPrefix(ns.Path, "/"):
			c.parameter(policy.Network{Mode: ns.Path, Name: ns.Path}, "nsoptions")
		case ns.Name == "network":
			c.parameter(policy.Network{Mode: "ns", Name: ns.Path}, "nsoptions")
		default:
			name := ns.Name
			if name == "user" || name == "cgroup" {
				name += "ns" // as a create's are called
			}
			c.parameter(policy.Privilege{Name: name, Value: strings.TrimSpace("host " + ns.Path)}, "nsoptions")
		}
	}
}

// imageCreate claims the address that the Engine fetches an image from. It can be
// any web server, and with Podman a file of the host.
func imageCreate(c *reading) {
	if source := c.query("fromSrc"); source != "" && source != "-" {
		c.parameter(policy.Privilege{Name: "remote", Value: source}, "fromSrc")
	}
	if image := c.query("fromImage"); isFile(image) && c.podman() {
		c.parameter(policy.Privilege{Name: "libpod", Value: image}, "fromImage")
	}
}

// imagePush claims where Podman pushes an image to: a registry, or a file of the
// host, as in "oci-archive:/srv/image". A registry could be reached by a container,
// too. Docker takes the image's own name.
func imagePush(c *reading) {
	if destination := c.query("destination"); isFile(destination) {
		c.parameter(policy.Privilege{Name: "libpod", Value: destination}, "destination")
	}
}

// isFile reports whether an image's name has a transport that reads or writes files
// of the host.
func isFile(image string) bool {
	transport, name, _ := strings.Cut(image, ":")
	isPath := strings.HasPrefix(name, "/") && transport != "docker"
	return isPath || name != "" && slices.Contains(fileTransports, transport)
}
