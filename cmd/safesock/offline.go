package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-connections/nat"
	"github.com/safesock/safesock/clients"
	"github.com/safesock/safesock/host"
	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite"
)

// verdict is a call and what the policy makes of it.
type verdict struct {
	clients.Call
	match   rewrite.Match
	result  rewrite.Result
	refusal *rewrite.Refusal // nil if the call would be forwarded
	assumed bool             // the Engine's version was asked for and is unknown
}

// endpoint returns the name of the call's endpoint, "" if safesock does not intercept
// the call.
func (v *verdict) endpoint() string {
	if v.match.Endpoint == nil {
		return ""
	}
	return v.match.Endpoint.Name
}

// itself returns the policy's decision about the call itself.
func (v *verdict) itself(p *policy.Policy, o *offline) policy.Decision {
	return p.Decide(&policy.Call{
		Endpoint: v.endpoint(), Method: v.match.Method, Path: v.match.Path, Version: v.match.Version, Known: v.match.Known,
		Container: v.result.Container, Compose: v.result.Compose,
		Client: o.client, Time: o.time, Interface: o.Addresses,
	}, policy.API{})
}

// machine is the host of a world.
type machine interface {
	Resolve(path string) (resolved string, exists bool, err error)
	GroupOf(path string) (int, error)
	HasInterface(name string) (bool, error)
	Addresses(name string) ([]netip.Addr, error)
	HasForeignPorts(bridge string) (bool, error)
}

// offline is a world without an Engine. Its host is this machine, or a test case's.
type offline struct {
	machine
	engine map[string][]byte // answers of the Engine by path, as in "/images/web:1/json"
	image  []byte            // the answer about every image, nil if no image is known
	client policy.Client
	time   time.Time

	upstream string // path of the Engine's socket
	listen   string // path of safesock's own

	version func() []byte // returns the Engine's answer about its version, nil if that is unknown; may be nil

	unknown  []string // paths that were asked for and have no answer in engine; not the version's
	assumed  bool     // the last call asked for the version, which is unknown
	invented []int    // host ports in place of those that safesock would choose
}

// apply decides a call as serve would.
func (o *offline) apply(p *policy.Policy, call clients.Call) (verdict, error) {
	target, err := url.ParseRequestURI(call.Target)
	if err != nil {
		return verdict{}, err
	}
	got := verdict{Call: call}
	o.assumed = false
	if got.match, err = rewrite.Route(call.Method, target); err != nil {
		return got.refused(err)
	}
	got.result, err = rewrite.Apply(p, rewrite.Call{
		Match:    got.match,
		URL:      target,
		Body:     call.Body,
		Client:   o.client,
		Time:     o.time,
		Upstream: o.upstream,
		Listen:   o.listen,
	}, o)
	for i := range got.result.Outcomes {
		got.result.Outcomes[i].HostPort = "" // invented
	}
	got.assumed = o.assumed
	return got.refused(err)
}

// unsure returns the claims of a call that depend on the Engine's version, if that is
// unknown: another Engine would lead to another decision, or to no such claim.
func (o *offline) unsure(p *policy.Policy, v verdict) ([]string, error) {
	if !v.assumed {
		return nil, nil
	}
	var found []string
	for _, name := range others {
		version, err := versionOf(name)
		if err != nil {
			return nil, err
		}
		there := *o
		there.version = func() []byte { return version }
		other, err := there.apply(p, v.Call)
		if err != nil {
			return nil, err
		}
		found = append(found, v.unlike(other)...)
		found = append(found, other.unlike(v)...)
	}
	return found, nil
}

// unlike returns the claims that another verdict about the same call lacks, or has
// with another decision.
func (v *verdict) unlike(other verdict) (names []string) {
	there := other.decisions()
	for line, claim := range v.decisions() {
		if _, ok := there[line]; !ok {
			names = append(names, claim)
		}
	}
	return names
}

// decisions returns the claims of a call. The keys also have the decisions.
func (v *verdict) decisions() map[string]string {
	lines, denied := map[string]string{}, false
	for _, o := range v.result.Outcomes {
		denied = denied || o.Decision.Action == policy.Deny
		lines[inALine(o.Claim)+": "+decided(o)+" ("+o.Decision.Rule.String()+")"] = inALine(o.Claim)
	}
	if v.refusal != nil && !denied {
		lines[v.refusal.Message] = "the call"
	}
	return lines
}

// refused returns the verdict with err as its refusal, if err is a refusal.
func (v verdict) refused(err error) (verdict, error) {
	if refusal, ok := err.(*rewrite.Refusal); ok {
		v.refusal = refusal
		return v, nil
	}
	return v, err
}

// Engine returns what is known of the Engine.
func (o *offline) Engine(target string) (rewrite.Answer, error) {
	path, _, _ := strings.Cut(target, "?")
	if body, ok := o.engine[path]; ok {
		return rewrite.Answer{Status: http.StatusOK, Body: body, Docker: true}, nil
	}
	if o.image != nil && strings.HasPrefix(path, imagesPath) {
		return rewrite.Answer{Status: http.StatusOK, Body: o.image}, nil
	}
	if path == versionPath {
		if o.version != nil {
			if known := o.version(); known != nil {
				return rewrite.Answer{Status: http.StatusOK, Body: known, Docker: true}, nil
			}
		}
		o.assumed = true
		return rewrite.Answer{Status: http.StatusOK, Body: oldest}, nil
	}
	if !slices.Contains(o.unknown, path) {
		o.unknown = append(o.unknown, path)
	}
	return rewrite.Answer{Status: http.StatusNotFound, Body: []byte(`{"message":"not known here"}`)}, nil
}

// The paths at which an Engine is asked for its version, and for its images.
var (
	versionPath      = rewrite.Question("version", "")
	imagesPath, _, _ = strings.Cut(rewrite.Question("image", "NAME"), "NAME")
)

// FreePort opens no port. It returns the first port that the call has not taken.
func (o *offline) FreePort(_ string, _ []netip.Addr, first, last int, taken func(int) bool) (int, error) {
	if first == 0 {
		first, last = 32768, 65535
	}
	for port := first; port <= last; port++ {
		if !taken(port) {
			o.invented = append(o.invented, port)
			return port, nil
		}
	}
	return 0, errors.New("every port of the range is taken")
}

// OwnsBuild knows of no other client.
func (o *offline) OwnsBuild(string) bool { return true }

// The usual paths of the Engine's socket and of safesock's own.
const (
	usualUpstream = "/run/docker.sock"
	usualOwn      = "/run/safesock/docker.sock"
)

// thisHost is the machine that the command runs on. The symbolic links of a path are
// not followed where the command lacks the permission.
type thisHost struct {
	host.Machine
	engine string // path of the Engine's socket

	hidden []string // paths whose links could not be followed, each once
}

// Resolve returns one path for the Engine's socket, by whatever name it is asked.
func (h *thisHost) Resolve(path string) (resolved string, exists bool, err error) {
	resolved, exists, err = h.ResolveAs(path, h.engine)
	if errors.Is(err, fs.ErrPermission) {
		if !slices.Contains(h.hidden, path) {
			h.hidden = append(h.hidden, path)
		}
		return path, true, nil
	}
	return resolved, exists, err
}

// clientNamed returns a client of the named user. If the name is "", the user is the
// one who runs this command. Names and groups are looked up when a rule asks for
// them, as in serve.
func clientNamed(name string) (policy.Client, error) {
	uid, gid := os.Getuid(), os.Getgid()
	gids, err := os.Getgroups()
	if name != "" {
		uid, gid, gids, err = userNamed(name)
	}
	return policy.Client{
		UID: uid, GID: gid, PID: os.Getpid(),
		User:    func() (string, error) { return host.UserName(uid) },
		Groups:  func() ([]string, error) { return host.GroupNames(append([]int{gid}, gids...)...) },
		Command: policy.Found("docker"),
	}, err
}

// userNamed returns the ids of a user and of the user's groups.
func userNamed(name string) (uid, gid int, gids []int, err error) {
	found, err := user.Lookup(name)
	if err != nil {
		return 0, 0, nil, err
	}
	groups, err := found.GroupIds()
	for _, number := range append([]string{found.Uid, found.Gid}, groups...) {
		id, wrong := strconv.Atoi(number)
		err = cmp.Or(err, wrong)
		gids = append(gids, id)
	}
	return gids[0], gids[1], gids[2:], err
}

// imageExposing returns the Engine's answer about an image that exposes ports.
func imageExposing(ports []string) ([]byte, error) {
	exposed := nat.PortSet{}
	for _, each := range ports {
		number, protocol, _ := strings.Cut(each, "/")
		port, err := nat.NewPort(cmp.Or(protocol, "tcp"), number)
		if err != nil {
			return nil, fmt.Errorf("image port %s: %w", each, err)
		}
		exposed[port] = struct{}{}
	}
	return json.Marshal(map[string]any{"Id": "sha256:" + strings.Repeat("0", 64), "Config": map[string]any{"ExposedPorts": exposed}})
}
