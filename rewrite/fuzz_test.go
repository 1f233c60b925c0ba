package rewrite

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	mobycontainer "github.com/moby/moby/api/types/container"
	"golang.org/x/tools/txtar"

	"github.com/safesock/safesock/policy"
)

// fuzzBodies are the bodies of all cases whose target has a suffix.
func fuzzBodies(f *testing.F, suffix string) (bodies [][]byte) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, section := range archive.Files {
			if strings.HasPrefix(section.Name, "call") {
				c := caseCall(f, string(section.Data))
				if strings.HasSuffix(c.Path, suffix) && len(c.Body) > 0 {
					bodies = append(bodies, c.Body)
				}
			}
		}
	}
	return bodies
}

// FuzzApplyTwice holds that Apply twice changes nothing.
func FuzzApplyTwice(f *testing.F) {
	for _, body := range fuzzBodies(f, "/containers/create") {
		f.Add(body)
	}
	w := fuzzWorld()
	p := w.parse(f)
	f.Fuzz(func(t *testing.T, body []byte) { applyTwice(t, w, p, body) })
}

func applyTwice(t *testing.T, w *world, p *policy.Policy, body []byte) {
	once, err := w.apply(t, p, testCall(t, "POST", "/containers/create", body))
	if err != nil {
		return // refused: nothing reaches the Engine
	}
	twice, err := w.apply(t, p, testCall(t, "POST", "/containers/create", once.Body))
	if err != nil || !bytes.Equal(once.Body, twice.Body) {
		t.Errorf("%s: a second run changed something (%v)\n%s\n%s", body, err, once.Body, twice.Body)
	}
}

// FuzzDecoders holds that nothing which an Engine reads in a forwarded body is
// without a claim, and that no port is outside loopback where the policy
// allows no other.
func FuzzDecoders(f *testing.F) {
	for _, body := range fuzzBodies(f, "/containers/create") {
		f.Add(body)
	}
	w := fuzzWorld()
	p := w.parse(f)
	f.Fuzz(func(t *testing.T, body []byte) { decoders(t, w, p, body) })
}

// FuzzGrammar holds the same for bodies that are made of what is known to be
// odd.
func FuzzGrammar(f *testing.F) {
	for seed := range uint64(32) {
		f.Add(seed, seed)
	}
	w := fuzzWorld()
	p := w.parse(f)
	f.Fuzz(func(t *testing.T, one, two uint64) {
		body := []byte(oddBody(rand.New(rand.NewPCG(one, two))))
		applyTwice(t, w, p, body)
		decoders(t, w, p, body)
	})
}

// fuzzWorld has a policy of loopback alone, a network on the LAN, and
// containers and volumes that have more than they should.
func fuzzWorld() *world {
	w := newWorld()
	w.policy = `port "loopback alone" {
  when   = port.scope != "loopback"
  action = "bind"
  to     = ["127.0.0.1"]
}`
	for path, answer := range map[string]string{
		"/networks/lan":        `{"Name":"lan","Id":"1a4","Driver":"macvlan"}`,
		"/networks/1a4":        `{"Name":"lan","Id":"1a4","Driver":"macvlan"}`,
		"/containers/box/json": `{"Id":"b0b0","Name":"/box","HostConfig":{"NetworkMode":"host","PidMode":"host"},"Mounts":[{"Type":"bind","Source":"/etc","Destination":"/e","RW":true}]}`,
		"/volumes/etc":         `{"Name":"etc","Driver":"local","Options":{"o":"bind","device":"/etc"}}`,
		"/images/web/json":     `{"Config":{"ExposedPorts":{"80/tcp":{},"53/udp":{}}}}`,
	} {
		w.engine[path] = Answer{Status: 200, Body: whole(path, answer)}
	}
	return w
}

// claims are what a Result claims, for look-ups.
type claims map[policy.Claim]bool

func decoders(t *testing.T, w *world, p *policy.Policy, body []byte) {
	r, err := w.apply(t, p, testCall(t, "POST", "/containers/create", body))
	if err != nil {
		return // refused: nothing reaches the Engine
	}
	made := claims{}
	for _, o := range r.Outcomes {
		if n, ok := o.Claim.(policy.Network); ok {
			n.Options = nil
			made[policy.Mount{Source: "network " + n.Mode}] = true // a Network cannot be a key
			continue
		}
		if m, ok := o.Claim.(policy.Mount); ok {
			made[policy.Mount{Source: m.Source}] = true
			continue
		}
		made[o.Claim] = true
	}
	var of28 container.CreateRequest
	if json.NewDecoder(bytes.NewReader(r.Body)).Decode(&of28) == nil && of28.HostConfig != nil {
		for _, problem := range made.missing(of28.Config, of28.HostConfig, of28.NetworkingConfig) {
			t.Errorf("Engine 28: %s\n%s\n%s", problem, body, r.Body)
		}
	}
	// runconfig.ContainerConfigWrapper of Engine 20.10 to 26.
	var of20 struct {
		*container.Config
		InnerHostConfig  *container.HostConfig `json:"HostConfig,omitempty"`
		Cpuset           string                `json:",omitempty"`
		NetworkingConfig *network.NetworkingConfig
		*container.HostConfig
	}
	if json.NewDecoder(bytes.NewReader(r.Body)).Decode(&of20) == nil {
		host := of20.HostConfig
		if of20.InnerHostConfig != nil {
			host = of20.InnerHostConfig
		}
		if host != nil {
			for _, problem := range made.missing(of20.Config, host, of20.NetworkingConfig) {
				t.Errorf("Engine 20: %s\n%s\n%s", problem, body, r.Body)
			}
		}
	}
	var of29 mobycontainer.CreateRequest
	if json.NewDecoder(bytes.NewReader(r.Body)).Decode(&of29) == nil && of29.HostConfig != nil {
		for port, bindings := range of29.HostConfig.PortBindings {
			for _, b := range bindings {
				if !b.HostIP.Unmap().IsLoopback() || b.HostIP.Zone() != "" {
					t.Errorf("Engine 29: %s is published on %q\n%s\n%s", port, b.HostIP, body, r.Body)
				}
			}
		}
		if of29.HostConfig.PublishAllPorts {
			t.Errorf("Engine 29: every port is published\n%s\n%s", body, r.Body)
		}
	}
}

// missing is what Engines read in a call that nobody claimed.
func (made claims) missing(config *container.Config, host *container.HostConfig, networking *network.NetworkingConfig) (problems []string) {
	need := func(claim policy.Claim) {
		if !made[claim] {
			problems = append(problems, fmt.Sprintf("%#v is not claimed", claim))
		}
	}
	privilege := func(name, value string) { need(policy.Privilege{Name: name, Value: value}) }
	mounted := func(source string) {
		switch source = path.Clean(source); source {
		case "/run/docker.sock":
			problems = append(problems, "the Engine's socket is mounted")
		case "/run/safesock/docker.sock": // what the socket was replaced with
		default:
			need(policy.Mount{Source: source})
		}
	}
	for port, bindings := range host.PortBindings {
		if len(bindings) == 0 {
			problems = append(problems, fmt.Sprintf("%s has an empty list", port))
		}
		for _, b := range bindings {
			if ip := net.ParseIP(b.HostIP); !ip.IsLoopback() {
				problems = append(problems, fmt.Sprintf("%s is published on %q", port, b.HostIP))
			}
		}
	}
	if host.PublishAllPorts {
		problems = append(problems, "every port is published")
	}

	networks := []string{string(host.NetworkMode)}
	if networking != nil {
		for name, endpoint := range networking.EndpointsConfig {
			networks = append(networks, name)
			if endpoint != nil {
				networks = append(networks, endpoint.NetworkID)
			}
		}
	}
	for _, name := range networks {
		switch name {
		case "host", "container:b0b0":
			need(policy.Mount{Source: "network host"})
		case "lan", "1a4":
			need(policy.Mount{Source: "network macvlan"})
		case "container:box":
			problems = append(problems, "container:box is not pinned")
		case "container:gone":
			need(policy.Mount{Source: "network container"})
		}
	}

	for _, bind := range host.Binds {
		source, _, found := strings.Cut(bind, ":")
		switch {
		case !found:
		case source == "etc":
			need(policy.Mount{Source: "/etc"})
		case path.IsAbs(source):
			mounted(source)
		}
	}
	for _, m := range host.Mounts {
		if m.Type == mount.TypeBind && path.IsAbs(m.Source) {
			mounted(m.Source)
		}
		if m.Type == mount.TypeVolume && m.Source == "etc" {
			need(policy.Mount{Source: "/etc"})
		}
		if v := m.VolumeOptions; m.Type == mount.TypeVolume && v != nil && v.DriverConfig != nil {
			if name := v.DriverConfig.Name; name != "" && name != "local" {
				privilege("volume_driver", name)
			} else if o := v.DriverConfig.Options; o["o"] == "bind" && path.IsAbs(o["device"]) {
				mounted(o["device"])
			}
		}
	}
	for _, from := range host.VolumesFrom {
		if name, _, _ := strings.Cut(from, ":"); name == "box" {
			need(policy.Mount{Source: "/etc"})
		}
	}
	if host.Privileged {
		privilege("privileged", "")
	}
	for _, name := range host.CapAdd {
		if name = strings.TrimPrefix(strings.ToUpper(name), "CAP_"); name != "" && !slices.Contains(ordinary, name) {
			privilege("cap", name)
		}
	}
	for _, device := range host.Devices {
		if device != (container.DeviceMapping{}) {
			privilege("device", device.PathOnHost)
		}
	}
	for _, rule := range host.DeviceCgroupRules {
		if rule != "" {
			privilege("device", rule)
		}
	}
	for _, request := range host.DeviceRequests {
		for _, id := range request.DeviceIDs {
			privilege("device", id)
		}
	}
	for name, mode := range map[string]string{
		"pid": string(host.PidMode), "ipc": string(host.IpcMode), "uts": string(host.UTSMode),
		"userns": string(host.UsernsMode), "cgroupns": string(host.CgroupnsMode),
	} {
		if mode == "host" {
			privilege(name, "host")
		}
		if name == "pid" && mode == "container:b0b0" {
			privilege(name, "host")
		}
	}
	if host.Cgroup != "" {
		privilege("cgroup", string(host.Cgroup))
	}
	if host.CgroupParent != "" {
		privilege("cgroup_parent", host.CgroupParent)
	}
	for _, option := range host.SecurityOpt {
		if name, value, _ := strings.Cut(option, "="); value == "unconfined" && name != "" {
			privilege("security_opt", option)
		}
	}
	if host.Runtime == "kata" {
		privilege("runtime", "kata")
	}
	for key := range host.Annotations {
		privilege("annotation", key)
	}
	if host.VolumeDriver != "" && host.VolumeDriver != "local" {
		privilege("volume_driver", host.VolumeDriver)
	}
	if config != nil && strings.HasPrefix(path.Clean(config.WorkingDir), "/proc/") {
		privilege("working_dir", path.Clean(config.WorkingDir))
	}
	return problems
}
