package rewrite

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/safesock/safesock/policy"
	pb "github.com/safesock/safesock/rewrite/protobuf"
)

// definitions claims what the build steps and source policies that a client wrote
// itself ask for, wherever in the message they are (LLB, buildkit:
// solver/pb/ops.proto).
func (c *reading) definitions(m *pb.Value) {
	for op := range m.All("ExecOp") {
		c.execOp(op)
	}
	for op := range m.All("SourceOp") {
		c.source(op.Text("identifier"), op.Path()+"/identifier")
		c.attributes(op)
	}
	for op := range m.All("BuildOp") { // its steps are in a file that the build has made by then
		c.field(policy.Privilege{Name: "frontend", Value: "llb"}, op.Path(), "")
	}
	for rule := range m.All("sourcepolicy.Rule") {
		c.sourceRule(rule)
	}
}

// execOp claims what a step that runs a command asks for.
func (c *reading) execOp(op *pb.Value) {
	const host, none = 1, 2
	switch network := op.Number("network"); network {
	case 0, none:
	case host:
		c.field(policy.Network{Mode: "host", Name: "host", Driver: "host"}, op.Path()+"/network", "HOST")
	default:
		c.refuse(http.StatusForbidden, "%s/network: there is no network mode %d", op.Path(), network)
	}
	switch security := op.Number("security"); security {
	case 0:
	case 1:
		c.field(policy.Privilege{Name: "privileged"}, op.Path()+"/security", "INSECURE")
	default: // before Docker 29.6.1, steps with other modes ran without seccomp
		c.refuse(http.StatusForbidden, "%s/security: there is no security mode %d", op.Path(), security)
	}
	if parent := op.Message("meta").Text("cgroupParent"); parent != "" {
		c.field(policy.Privilege{Name: "cgroup_parent", Value: parent}, op.Path()+"/meta/cgroupParent", parent)
	}
	for _, device := range op.Messages("cdiDevices") {
		c.field(policy.Privilege{Name: "device", Value: device.Text("name")}, device.Path()+"/name", device.Text("name"))
	}
	for _, mount := range op.Messages("mounts") {
		if kind := mount.Number("mountType"); kind > 4 {
			c.field(policy.Privilege{Name: "unread", Value: "mount type"}, mount.Path()+"/mountType", "")
		}
	}
}

// sourceAttributes are the attributes of sources (buildkit: solver/pb/attr.go). Each reaches the build alone, or is
// read by attributes.
var sourceAttributes = map[string]bool{
	"git.advice": true, "git.authheadersecret": true, "git.authtokensecret": true, "git.bundle": true, "git.checkoutbundle": true,
	"git.checksum": true, "git.fetchbycommit": true, "git.fullurl": true, "git.keepgitdir": true, "git.knownsshhosts": true,
	"git.mountsshsock": true, "git.mtime": true, "git.sig.ignoresignedtag": true, "git.sig.pubkey": true,
	"git.sig.rejectexpired": true, "git.sig.requiresignedtag": true, "git.skipsubmodules": true,
	"http.authheadersecret": true, "http.checksum": true, "http.filename": true, "http.gid": true,
	"http.perm": true, "http.sig.pubkey": true, "http.sig.signature": true, "http.uid": true,
	"image.checksum": true, "image.layerlimit": true, "image.recordtype": true, "image.resolvemode": true,
	"llbbuild.filename": true,
	"local.differ":      true, "local.excludepatterns": true, "local.followpaths": true, "local.includepattern": true,
	"local.metadatatransfer": true, "local.metadatatransferexclude": true, "local.session": true, "local.sharedkeyhint": true,
	"local.unique":   true,
	"oci.layerlimit": true, "oci.session": true, "oci.store": true,
}

// source claims what a step that loads something asks for.
func (c *reading) source(identifier, field string) {
	scheme, rest, found := strings.Cut(identifier, "://")
	switch {
	case found && slices.Contains([]string{"docker-image", "docker-image+blob", "local", "oci-layout", "oci-layout+blob"}, scheme):
	case found && slices.Contains([]string{"http", "https", "git"}, scheme):
		c.field(policy.Privilege{Name: "remote", Value: identifier}, field, identifier)
	default:
		c.field(policy.Privilege{Name: "unread", Value: "source " + scheme}, field, identifier)
	}
	// CVE-2026-33748: a folder of the repository that leads out of it.
	_, folder, _ := strings.Cut(rest, "#")
	if decoded, err := url.PathUnescape(folder); err == nil {
		folder = decoded
	}
	if scheme == "git" && slices.Contains(strings.FieldsFunc(folder, isPathOrRef), "..") {
		c.refuse(http.StatusForbidden, "%s: the folder %q leads out of the repository", field, folder)
	}
}

// attributes claims what the attributes of a source ask for.
func (c *reading) attributes(source *pb.Value) {
	attrs := source.Map("attrs")
	for _, key := range slices.Sorted(maps.Keys(attrs)) {
		value, field := attrs[key], source.Path()+"/attrs/"+key
		switch {
		case key == "local.session", key == "oci.session":
			c.ownSession(value, field)
		case key == "http.filename" && strings.Contains(value, "/"): // CVE-2026-33747
			c.refuse(http.StatusForbidden, "%s: %q is not the name of a file", field, value)
		case !sourceAttributes[key] && !strings.HasPrefix(key, "http.header."):
			c.field(policy.Privilege{Name: "unread", Value: "source attribute " + key}, field, value)
		}
	}
}

// sourceRule claims the source that a rule of a source policy puts in the place of
// another. Its identifier can be a pattern, for which BuildKit takes the selector's
// if there is none (buildkit: sourcepolicy.mutate).
func (c *reading) sourceRule(rule *pb.Value) {
	updates := rule.Message("updates")
	if updates == nil {
		return
	}
	named := updates
	if updates.Text("identifier") == "" {
		named = rule.Message("selector")
	}
	if identifier := named.Text("identifier"); identifier != "" {
		c.source(identifier, named.Path()+"/identifier")
	}
	c.attributes(updates)
}

func isPathOrRef(r rune) bool { return r == '/' || r == ':' }
