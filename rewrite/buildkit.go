package rewrite

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/safesock/safesock/policy"
	pb "github.com/safesock/safesock/rewrite/protobuf"
)

// buildkitCall reads a call of BuildKit's services, which is the privilege buildkit
// whatever it asks for.
func buildkitCall(read reader) reader {
	return func(c *reading) {
		c.field(policy.Privilege{Name: "buildkit", Value: strings.TrimPrefix(c.path, "/")}, "", "")
		if read != nil {
			read(c)
		}
	}
}

// unreadCall claims a call of a gRPC service that is not known.
func unreadCall(c *reading) {
	c.field(policy.Privilege{Name: "unread", Value: c.vars["service"] + "/" + c.vars["method"]}, "", "")
}

// imageContents claims the list of everything that the Engine has stored.
func imageContents(c *reading) {
	c.field(policy.Privilege{Name: "build_history", Value: "contents"}, "", "")
}

// buildkitSolve claims what a build asks for. buildx sends a build without a
// frontend here, and the frontend in a gateway.SolveRequest.
func buildkitSolve(c *reading) {
	m := c.message("control.SolveRequest")
	c.aboutSolve(m)
	c.ownBuild(m.Text("Ref"), "/Ref")
	c.ownSession(m.Text("Session"), "/Session")
	c.sourcePolicySession(m.Text("SourcePolicySession"))
	c.unfixedBuildKit()
	for i, text := range m.Texts("Entitlements") {
		c.entitlement(text, index("/Entitlements", i))
	}
	if m.Number("ProxyNetwork") != 0 { // a proxy that dials from the host's namespace
		c.field(policy.Network{Mode: "host", Name: "host", Driver: "host"}, "/ProxyNetwork", "true")
	}
	c.frontend(m, "Frontend", "FrontendAttrs")
	c.caches(m.Message("Cache").Messages("Exports"), "/Cache/Exports")
	c.caches(m.Message("Cache").Messages("Imports"), "/Cache/Imports")
	c.definitions(m)
}

// gatewaySolve claims what a frontend is asked to do within a build.
func gatewaySolve(c *reading) {
	m := c.gatewayMessage("gateway.SolveRequest")
	c.frontend(m, "Frontend", "FrontendOpt")
	c.caches(m.Messages("CacheImports"), "/CacheImports")
	c.definitions(m)
}

// gatewayReturn reads the result of a build: it may hold steps of the client's own.
func gatewayReturn(c *reading) { c.definitions(c.gatewayMessage("gateway.ReturnRequest")) }

func gatewayResolveImage(c *reading) {
	m := c.gatewayMessage("gateway.ResolveImageConfigRequest")
	c.ownSession(m.Text("SessionID"), "/SessionID")
	c.definitions(m)
}

func gatewayResolveSource(c *reading) {
	c.definitions(c.gatewayMessage("gateway.ResolveSourceMetaRequest"))
}

// gatewayCall is for calls that reach files and results of their build alone.
func gatewayCall(c *reading) {
	c.build.Ref = c.header.Get(buildID)
	c.ownBuilds(buildID)
}

// gatewayContainer claims a container that the client runs within a build
// (buildx debug).
func gatewayContainer(c *reading) {
	gatewayCall(c)
	c.field(policy.Privilege{Name: "build_exec", Value: c.path[strings.LastIndexByte(c.path, '/')+1:]}, "", "")
}

func buildkitStatus(c *reading) {
	c.build.Ref = c.message("control.StatusRequest").Text("Ref")
	c.ownBuild(c.build.Ref, "/Ref")
}

// buildkitSession is a session in a gRPC stream.
func buildkitSession(c *reading) { c.ownBuilds(sessionID) }

// session is a stream in which the Engine calls the client, for files, secrets and
// keys of the client's. It is known by an id that builds name.
func session(c *reading) { c.ownBuilds(sessionID) }

// buildkitHistory claims others' logs, arguments and caches, unless the call asks
// for one build.
func buildkitHistory(c *reading) {
	if ref := c.message("control.BuildHistoryRequest").Text("Ref"); ref != "" {
		c.ownBuild(ref, "/Ref")
		return
	}
	c.field(policy.Privilege{Name: "build_history", Value: "list"}, "/Ref", "")
}

func buildkitUpdateHistory(c *reading) {
	c.ownBuild(c.message("control.UpdateBuildHistoryRequest").Text("Ref"), "/Ref")
}

// sourcePolicySession claims what the session can have the Engine load in place of
// the sources that a build names: its answers are not read (buildkit:
// solver/llbsolver, policyEvaluator).
func (c *reading) sourcePolicySession(id string) {
	const field = "/SourcePolicySession"
	c.ownSession(id, field)
	if id != "" {
		c.field(policy.Privilege{Name: "remote", Value: "source policy session"}, field, id)
	}
}

// entitlement claims what a build may ask for in its steps. It is the whole ceiling
// since Docker 25.0.2 (buildkit: util/entitlements).
func (c *reading) entitlement(text, field string) {
	name, value, _ := strings.Cut(text, "=")
	switch name {
	case "network.host":
		c.field(policy.Network{Mode: "host", Name: "host", Driver: "host"}, field, text)
	case "security.insecure":
		c.field(policy.Privilege{Name: "privileged"}, field, text)
	case "device":
		device, _, _ := strings.Cut(value, ",")
		if device == "" {
			device = "*"
		}
		c.field(policy.Privilege{Name: "device", Value: device}, field, text)
	default:
		c.field(policy.Privilege{Name: "unread", Value: field + " " + text}, field, text)
	}
}

// frontend claims the program that turns a Dockerfile into steps, and what its
// options ask for. The Engine's own is "dockerfile.v0". Without the option cmdline,
// that one lets the Dockerfile name another in its #syntax line, or a build
// argument do so (buildkit: frontend/dockerfile/builder).
func (c *reading) frontend(m *pb.Value, name, options string) {
	opts := m.Map(options)
	c.aboutBuild(m.Text(name), opts)
	_, direct := opts["cmdline"]
	syntax, argument := opts["build-arg:BUILDKIT_SYNTAX"]
	_, developed := opts["gateway-devel"]
	frontend := m.Text(name)
	switch {
	case frontend == "" || frontend == "dockerfile.v0" && direct:
	case frontend == "dockerfile.v0" && argument:
		image, _, _ := strings.Cut(strings.TrimSpace(syntax), " ")
		c.otherFrontend(image, "/"+options+"/build-arg:BUILDKIT_SYNTAX", func(b []byte) []byte {
			return m.AppendEntry(b, options, "cmdline", "")
		})
	case frontend == "dockerfile.v0":
		c.otherFrontend(anyFrontend, "/"+name, func(b []byte) []byte {
			return m.AppendEntry(b, options, "cmdline", "")
		})
	case frontend == "gateway.v0" && !developed && opts["source"] != "":
		c.otherFrontend(opts["source"], "/"+options+"/source", func(b []byte) []byte {
			b = m.SetText(b, name, "dockerfile.v0")
			if !direct {
				b = m.AppendEntry(b, options, "cmdline", "")
			}
			return b
		})
	default:
		c.field(policy.Privilege{Name: "frontend", Value: frontend}, "/"+name, frontend)
	}

	for _, key := range slices.Sorted(maps.Keys(opts)) {
		c.option(key, opts[key], "/"+options+"/"+key)
	}
	if key, renamed := opts["contextkey"]; renamed && key != "context" {
		c.option("context", opts[key], "/"+options+"/"+key)
	}
}

// otherFrontend claims a frontend that a rule can replace by the Engine's own.
func (c *reading) otherFrontend(value, field string, own func(message []byte) []byte) {
	cl := c.field(policy.Privilege{Name: "frontend", Value: value, Replaceable: true}, field, value)
	cl.edit = func(policy.Decision) string {
		c.sentMessage = own(c.sentMessage)
		return `"dockerfile.v0"`
	}
}

// frontendOptions are the options of the Engine's own frontend that reach nothing
// but the build (buildkit: frontend/dockerui). A key that ends in a colon is the
// beginning of many.
var frontendOptions = map[string]bool{
	"add-hosts": true, "cache-from": true, "cmdline": true, "contextkey": true, "contextsubdir": true, "cpuperiod": true,
	"cpuquota": true, "cpusetcpus": true, "cpusetmems": true, "cpushares": true, "dockerfilekey": true, "filename": true,
	"force-network-mode": true, // needs the entitlement network.host
	"frontend.caps":      true, "gateway-devel": true, "hostname": true, "image-resolve-mode": true, "memory": true,
	"memswap": true, "multi-platform": true, "no-cache": true, "override-copy-image": true, "platform": true, "requestid": true,
	"shm-size": true, "source": true, "target": true, "ulimit": true,
	"attest:": true, "build-arg:": true, "input-metadata:": true, "label:": true, "vcs:": true,
}

// option claims what an option of a frontend asks for.
func (c *reading) option(key, value, field string) {
	beginning, _, _ := strings.Cut(key, ":")
	switch {
	case key == "cgroup-parent":
		if value != "" {
			c.field(policy.Privilege{Name: "cgroup_parent", Value: value}, field, value)
		}
	case key == "context", beginning == "context":
		if isRemoteContext(value) {
			c.field(policy.Privilege{Name: "remote", Value: value}, field, value)
		}
	case key == "cache-imports":
		var entries []struct {
			Type  string
			Attrs map[string]string
		}
		if err := json.Unmarshal([]byte(value), &entries); value != "" && err != nil {
			c.refuse(http.StatusBadRequest, "%s: %v", field, err)
		}
		for _, entry := range entries {
			c.cache(entry.Type, entry.Attrs, field)
		}
	case beginning == "local-sessionid":
		c.ownSession(value, field)
	case !frontendOptions[key] && !frontendOptions[beginning+":"]:
		c.field(policy.Privilege{Name: "unread", Value: "frontend option " + key}, field, value)
	}
}

// isRemoteContext reports whether the Engine fetches a context from an address of
// its own: a URL, or a Git repository in one of the spellings that BuildKit knows.
func isRemoteContext(text string) bool {
	for _, local := range []string{"docker-image://", "oci-layout://", "local:", "input:", "target:"} {
		if strings.HasPrefix(text, local) {
			return false
		}
	}
	return strings.Contains(text, "://") || strings.HasPrefix(text, "git@") || strings.Contains(text, ".git") ||
		strings.HasPrefix(text, "github.com/") || strings.Contains(text, "@") && strings.Contains(text, ":")
}

func (c *reading) caches(entries []*pb.Value, field string) {
	for i, entry := range entries {
		c.cache(entry.Text("Type"), entry.Map("Attrs"), index(field, i))
	}
}

// cache claims the address of a cache that is no registry. What it is asked for is a
// web service of the client's choice.
func (c *reading) cache(kind string, attrs map[string]string, field string) {
	switch kind {
	case "", "registry", "local", "inline":
		return
	}
	for _, key := range slices.Sorted(maps.Keys(attrs)) {
		if strings.Contains(attrs[key], "://") {
			c.field(policy.Privilege{Name: "remote", Value: attrs[key]}, field+"/Attrs/"+key, attrs[key])
			return
		}
	}
	c.field(policy.Privilege{Name: "remote", Value: "cache " + kind}, field+"/Type", kind)
}

// unfixedBuildKit claims a BuildKit that any Dockerfile can break out of:
// CVE-2024-23651 and CVE-2024-23652, mended in Docker 25.0.2.
func (c *reading) unfixedBuildKit() {
	about := c.engine(engineVersion, "")
	api, version := about.Field("ApiVersion").Text(), about.Field("Version").Text()
	if api != "" && olderThan(api, "1.44") || api == "1.44" && olderThan(version, "25.0.2") {
		c.field(policy.Privilege{Name: "buildkit_unfixed", Value: version}, "", "")
	}
}
