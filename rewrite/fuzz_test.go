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
	"github.com/safesock/safesock/rewrite/jsonedit"
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

// oddBody is a create body of odd keys and values.
func oddBody(r *rand.Rand) string {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	key := func(name string) string {
		switch r.IntN(12) {
		case 0:
			name = strings.ToLower(name)
		case 1:
			name = strings.ToUpper(name)
		case 2:
			name = strings.NewReplacer("s", "ſ", "k", "\u212a").Replace(name)
		case 3:
			return fmt.Sprintf(`"\u%04x%s"`, name[0], name[1:])
		}
		return jsonedit.Quote(name)
	}
	list := func(n int, of func() string) string {
		var all []string
		for range r.IntN(n) {
			all = append(all, of())
		}
		return pick("[", " [ ") + strings.Join(all, pick(",", " , ")) + "]"
	}
	object := func(fields ...func() (string, string)) string {
		var all []string
		for _, field := range fields {
			if r.IntN(3) == 0 {
				continue
			}
			name, text := field()
			if r.IntN(12) == 0 {
				text = pick("null", text, text, "{}", "[]", `""`)
			}
			all = append(all, key(name)+pick(":", " : ")+text)
		}
		if r.IntN(40) == 0 && len(all) > 0 {
			all = append(all, all[0])
		}
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		return "{" + strings.Join(all, ",") + pick("", " ") + "}"
	}
	field := func(name string, of func() string) func() (string, string) {
		return func() (string, string) { return name, of() }
	}
	of := func(texts ...string) func() string {
		return func() string { return jsonedit.Quote(pick(texts...)) }
	}
	flag := func() string { return pick("true", "false", "null") }
	binding := func() string {
		return pick("null", "{}", object(
			field("HostIp", of("", "0.0.0.0", "::", "localhost", "127.0.0.1", "::ffff:7f00:1", "::1", "127.0.0.1%lo", "192.0.2.1", "127.0.0.01", "::1%lo")),
			field("HostPort", of("", "0", "80", "8000-8010", "080")),
		))
	}
	ports := func(of func() string) func() string {
		return func() string {
			var all []string
			names := []string{"80/tcp", "80", "53/udp", "81/TCP", "082/tcp", "83/"}
			for range r.IntN(4) {
				i := r.IntN(len(names))
				all = append(all, jsonedit.Quote(names[i])+":"+of())
				if r.IntN(20) > 0 {
					names = slices.Delete(names, i, i+1)
				}
			}
			return "{" + strings.Join(all, ",") + "}"
		}
	}
	target := of("/x", "/x:ro", "")
	options := func() string {
		return object(field("o", of("bind", "size=1")), field("device", of("/srv", "/run/docker.sock", "tmpfs")), field("type", of("none", "tmpfs", "nfs")))
	}
	mounts := func() string {
		return object(field("Type", of("bind", "volume", "tmpfs", "bind")), field("Source", of("/srv", "/run/docker.sock", "etc", "", "/run")), field("Target", target),
			field("VolumeOptions", func() string {
				return object(field("DriverConfig", func() string {
					return object(field("Name", of("", "local", "rexray")), field("Options", options))
				}))
			}))
	}
	joined := of("host", "", "private", "container:box", "container:gone")
	host := []func() (string, string){
		field("PortBindings", ports(func() string { return pick("null", list(4, binding), list(4, binding)) })),
		field("PublishAllPorts", flag),
		field("NetworkMode", of("host", "default", "lan", "container:box", "container:gone", "1a4", "Host", "")),
		field("Binds", func() string {
			return list(4, of("/srv:/srv", "/run/docker.sock:/s:ro", "etc:/e", "//etc:/x", "/anon"))
		}),
		field("Mounts", func() string { return list(3, mounts) }),
		field("VolumesFrom", func() string { return list(3, of("box:ro", "gone")) }),
		field("Privileged", flag),
		field("CapAdd", func() string { return pick(`"SYS_ADMIN"`, list(3, of("all", "cap_sys_admin", "CHOWN", ""))) }),
		field("Devices", func() string {
			return list(3, func() string { return object(field("PathOnHost", of("/dev/fuse", ""))) })
		}),
		field("DeviceCgroupRules", func() string { return list(2, of("a *:* rwm", "")) }),
		field("DeviceRequests", func() string {
			return list(2, func() string { return object(field("DeviceIDs", func() string { return list(2, of("v/c=n")) })) })
		}),
		field("PidMode", joined), field("IpcMode", joined), field("UTSMode", joined), field("UsernsMode", joined), field("CgroupnsMode", joined),
		field("SecurityOpt", func() string { return list(3, of("seccomp=unconfined", "no-new-privileges", "apparmor=unconfined")) }),
		field("Runtime", of("", "runc", "kata")),
		field("Annotations", func() string { return pick("null", "{}", `{"a":"b","a ":"c"}`) }),
		field("VolumeDriver", of("", "local", "rexray")),
		field("Cgroup", of("", "container:x")),
		field("CgroupParent", of("", "/x")),
		field("Memory", func() string { return pick("0", "9007199254740993") }),
	}
	top := []func() (string, string){
		field("Image", of("web", "gone", "")),
		field("ExposedPorts", ports(func() string { return "{}" })),
		field("WorkingDir", of("", "/proc/self/fd/7", "/srv")),
		field("Labels", func() string { return pick("null", `{"a":"b"}`, `{"desktop.docker.io/ports/80/tcp":":80"}`) }),
		field("NetworkingConfig", func() string {
			return object(field("EndpointsConfig", func() string {
				return pick("null", "{"+jsonedit.Quote(pick("lan", "default", "host"))+":"+pick("null", object(field("NetworkID", of("", "1a4"))))+"}")
			}))
		}),
	}
	switch r.IntN(4) {
	case 0:
		top = append(top, host...)
	case 1:
		top = append(top, host...)
		top = append(top, field("HostConfig", func() string { return pick("null", object(host...)) }))
	default:
		top = append(top, field("HostConfig", func() string { return object(host...) }))
	}
	return object(top...)
}
