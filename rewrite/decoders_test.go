package rewrite

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net"
	"net/netip"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	dockertypes "github.com/docker/docker/api/types"
	dockernetwork "github.com/docker/docker/api/types/network"
	dockerswarm "github.com/docker/docker/api/types/swarm"
	dockervolume "github.com/docker/docker/api/types/volume"
	mobynetwork "github.com/moby/moby/api/types/network"
	mobyplugin "github.com/moby/moby/api/types/plugin"
	mobyswarm "github.com/moby/moby/api/types/swarm"
	mobyvolume "github.com/moby/moby/api/types/volume"

	"github.com/safesock/safesock/policy"
)

// open lets everything through, so that the outcomes are all claims.
const open = `
port "all" { action = "allow" }
network "all" { action = "allow" }
mount "all" { action = "allow" }
privilege "all" { action = "allow" }
api "all" { action = "allow" }
`

// loopback binds whatever it can.
const loopback = `
port "off loopback" {
  when   = port.scope != "loopback"
  action = "bind"
  to     = ["127.0.0.1"]
}
` + open

func parsePolicy(t testing.TB, src string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse(Names, policy.File{Name: "test.hcl", Src: []byte("inherit = false\n" + src)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// claimed are the claims of a result, for the oracles to look in.
type claimed []Outcome

func has[C policy.Claim](all claimed, is func(C) bool) bool {
	return slices.ContainsFunc(all, func(o Outcome) bool {
		for _, one := range singly(o.Claim) {
			if claim, ok := one.(C); ok && is(claim) {
				return true
			}
		}
		return false
	})
}

// singly is a claim, or the ports of a run one by one.
func singly(claim policy.Claim) []policy.Claim {
	run, ok := claim.(policy.Port)
	if !ok || run.Last == 0 {
		return []policy.Claim{claim}
	}
	var ports []policy.Claim
	low, _, _ := strings.Cut(run.Host, "-")
	for i := range run.Last - run.Container + 1 {
		port := run
		port.Container, port.Last = run.Container+i, 0
		if first, err := strconv.Atoi(low); err == nil {
			port.Host = strconv.Itoa(first + i)
		}
		ports = append(ports, port)
	}
	return ports
}

func (all claimed) network(mode string) bool {
	return has(all, func(n policy.Network) bool { return n.Mode == mode })
}

func (all claimed) privilege(name, text string) bool {
	return has(all, func(p policy.Privilege) bool { return p.Name == name && p.Value == text })
}

func (all claimed) mount(source string) bool {
	return has(all, func(m policy.Mount) bool { return m.Source == path.Clean(source) })
}

// An oracle decodes a body as an Engine does, and names what is in it without
// a claim.
type oracle struct {
	method, target string
	decoders       []func() any
	missing        func(decoded any, all claimed) string
}

// oracles are those of the endpoints that take JSON, besides containers.
var oracles = []oracle{
	{"POST", "/networks/create", []func() any{
		func() any { return new(dockernetwork.CreateRequest) },
		func() any { return new(mobynetwork.CreateRequest) },
	}, func(decoded any, all claimed) string {
		switch n := decoded.(type) {
		case *dockernetwork.CreateRequest:
			from := n.ConfigFrom != nil && n.ConfigFrom.Network != ""
			return missingOfNetwork(n.Driver, n.Scope, n.Options, n.EnableIPv6 != nil && *n.EnableIPv6, n.Ingress, from, all)
		case *mobynetwork.CreateRequest:
			from := n.ConfigFrom != nil && n.ConfigFrom.Network != ""
			return missingOfNetwork(n.Driver, n.Scope, n.Options, n.EnableIPv6 != nil && *n.EnableIPv6, n.Ingress, from, all)
		}
		return "?"
	}},
	{"POST", "/networks/net/connect", []func() any{
		func() any { return new(dockernetwork.ConnectOptions) },
		func() any { return new(mobynetwork.ConnectRequest) },
	}, func(decoded any, all claimed) string {
		container, id := "", ""
		switch n := decoded.(type) {
		case *dockernetwork.ConnectOptions:
			container = n.Container
			if n.EndpointConfig != nil {
				id = n.EndpointConfig.NetworkID
			}
		case *mobynetwork.ConnectRequest:
			container = n.Container
			if n.EndpointConfig != nil {
				id = n.EndpointConfig.NetworkID
			}
		}
		switch {
		case container != "" && container != "1d":
			return "the container's name"
		case id != "" && id != "1d":
			return "the network's name"
		case !all.network("macvlan"):
			return "the network"
		}
		return ""
	}},
	{"POST", "/networks/net/disconnect", []func() any{
		func() any { return new(dockernetwork.DisconnectOptions) },
		func() any { return new(mobynetwork.DisconnectRequest) },
	}, func(decoded any, all claimed) string {
		container := ""
		switch n := decoded.(type) {
		case *dockernetwork.DisconnectOptions:
			container = n.Container
		case *mobynetwork.DisconnectRequest:
			container = n.Container
		}
		switch {
		case container == "": // the Engine refuses it
		case container != "1d":
			return "the container's name"
		case !has(all, func(p policy.Port) bool { return p.Container == 80 }):
			return "the port"
		case !all.network("macvlan"):
			return "the network that is left"
		}
		return ""
	}},
	{"POST", "/volumes/create", []func() any{
		func() any { return new(dockervolume.CreateOptions) },
		func() any { return new(mobyvolume.CreateRequest) },
	}, func(decoded any, all claimed) string {
		switch v := decoded.(type) {
		case *dockervolume.CreateOptions:
			return missingOfVolume(v.Driver, v.DriverOpts, v.ClusterVolumeSpec != nil, all)
		case *mobyvolume.CreateRequest:
			return missingOfVolume(v.Driver, v.DriverOpts, v.ClusterVolumeSpec != nil, all)
		}
		return "?"
	}},
	{"POST", "/services/create", []func() any{
		func() any { return new(dockerswarm.ServiceSpec) },
		func() any { return new(mobyswarm.ServiceSpec) },
	}, missingOfService},
	{"POST", "/services/web/update?version=1", []func() any{
		func() any { return new(dockerswarm.ServiceSpec) },
		func() any { return new(mobyswarm.ServiceSpec) },
	}, missingOfService},
	{"POST", "/swarm/init", []func() any{
		func() any { return new(dockerswarm.InitRequest) },
		func() any { return new(mobyswarm.InitRequest) },
	}, missingOfSwarm},
	{"POST", "/swarm/join", []func() any{
		func() any { return new(dockerswarm.JoinRequest) },
		func() any { return new(mobyswarm.JoinRequest) },
	}, missingOfSwarm},
	{"POST", "/secrets/create", []func() any{
		func() any { return new(dockerswarm.SecretSpec) },
		func() any { return new(mobyswarm.SecretSpec) },
	}, func(decoded any, all claimed) string {
		name := ""
		switch s := decoded.(type) {
		case *dockerswarm.SecretSpec:
			if s.Driver != nil {
				name = s.Driver.Name
			}
		case *mobyswarm.SecretSpec:
			if s.Driver != nil {
				name = s.Driver.Name
			}
		}
		if name != "" && name != "file" && !all.privilege("secret_driver", name) {
			return "the driver " + name
		}
		return ""
	}},
	{"POST", "/plugins/pull?remote=x", []func() any{
		func() any { return new(dockertypes.PluginPrivileges) },
		func() any { return new(mobyplugin.Privileges) },
	}, func(decoded any, all claimed) string {
		values := 0
		switch list := decoded.(type) {
		case *dockertypes.PluginPrivileges:
			for _, p := range *list {
				values += len(p.Value)
			}
		case *mobyplugin.Privileges:
			for _, p := range *list {
				values += len(p.Value)
			}
		}
		if values+1 != len(all) {
			return "a privilege"
		}
		return ""
	}},
	{"POST", "/libpod/containers/create", []func() any{func() any { return new(podmanSpec) }}, missingOfPodman},
	{"POST", "/libpod/pods/create", []func() any{func() any { return new(podmanSpec) }}, missingOfPodman},
	{"POST", "/plugins/x/set", []func() any{func() any { return new([]string) }}, func(decoded any, all claimed) string {
		for _, setting := range *decoded.(*[]string) {
			if !all.privilege("plugin", "x "+setting) {
				return "the setting " + setting
			}
		}
		return ""
	}},
}

func missingOfNetwork(driver, scope string, options map[string]string, ipv6, ingress, from bool, all claimed) string {
	const bridge = "com.docker.network.bridge."
	mode, mode6 := options[bridge+"gateway_mode_ipv4"], options[bridge+"gateway_mode_ipv6"]
	switch {
	case !slices.Contains([]string{"", "bridge", "null", "none"}, driver) && !all.network(driver) && !all.network("plugin"):
		return "the driver " + driver
	case (mode == "routed" || mode6 == "routed" || from) && !all.network("routed"):
		return "mode routed"
	case (mode == "nat-unprotected" || mode6 == "nat-unprotected" || options[bridge+"trusted_host_interfaces"] != "") && !all.network("unprotected"):
		return "mode nat-unprotected"
	case options[bridge+"name"] != "" && !all.network("existing-bridge"):
		return "the bridge"
	case ipv6 && !all.network("ipv6"):
		return "IPv6"
	case (scope == "swarm" || ingress) && !all.network("swarm") && !all.network("overlay"):
		return "the swarm"
	}
	return ""
}

func missingOfVolume(driver string, options map[string]string, cluster bool, all claimed) string {
	switch {
	case cluster && !all.privilege("volume_driver", "cluster"):
		return "the cluster volume"
	case driver != "" && driver != "local":
		if !all.privilege("volume_driver", driver) {
			return "the driver " + driver
		}
	case slices.Contains(strings.Split(options["o"], ","), "bind") && options["device"] != "" && !all.mount(options["device"]):
		return "the folder " + options["device"]
	}
	return ""
}

func missingOfMount(kind, source, driver string, options map[string]string, all claimed) string {
	switch {
	case kind == "bind" && source != "" && !all.mount(source):
		return "the mount of " + source
	case kind == "volume" && source != "" && !all.mount("/of/"+source):
		return "the volume " + source
	case kind == "volume":
		return missingOfVolume(driver, options, false, all)
	}
	return ""
}

// No body of any endpoint asks an Engine for something without a claim, nor
// does what is sent in its place. Ports that can be bound are bound.
func FuzzNothingIsMissed(f *testing.F) {
	for i, o := range oracles {
		for _, body := range seeds(f, o.target) {
			f.Add(uint8(i), body)
		}
	}
	policies := []*policy.Policy{parsePolicy(f, open), parsePolicy(f, loopback)}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		nothingIsMissed(t, policies, oracles[int(which)%len(oracles)], body)
	})
}

// The same, with bodies that have the form of Docker's types.
func FuzzNothingOfTheTypesIsMissed(f *testing.F) {
	for i := range oracles {
		for seed := range uint64(32) {
			f.Add(uint8(i), seed, seed)
		}
	}
	policies := []*policy.Policy{parsePolicy(f, open), parsePolicy(f, loopback)}
	f.Fuzz(func(t *testing.T, which uint8, one, two uint64) {
		o := oracles[int(which)%len(oracles)]
		r := odd{rand.New(rand.NewPCG(one, two))}
		decoded := o.decoders[r.IntN(len(o.decoders))]()
		nothingIsMissed(t, policies, o, []byte(r.value(reflect.TypeOf(decoded).Elem(), 0)))
	})
}

func nothingIsMissed(t *testing.T, policies []*policy.Policy, o oracle, body []byte) {
	for i, p := range policies {
		r, err := applyHostile(t, p, o.method, o.target, body)
		if err != nil {
			return // nothing reaches the Engine
		}
		for _, decoder := range o.decoders {
			decoded := decoder()
			// Old Engines stop reading behind the first value.
			if err := json.NewDecoder(bytes.NewReader(r.Body)).Decode(decoded); err != nil {
				continue // the Engine refuses it
			}
			if i == 0 {
				if missing := o.missing(decoded, r.Outcomes); missing != "" {
					t.Errorf("%s %s %s: nobody claims %s (%T)\ngot %v", o.method, o.target, r.Body, missing, decoded, r.Outcomes)
				}
				continue
			}
			if spec, ok := decoded.(*podmanSpec); ok {
				for _, m := range spec.PortMappings {
					if ip, err := netip.ParseAddr(m.HostIP); (err != nil || !ip.IsLoopback()) && m.ContainerPort != 0 {
						t.Errorf("%s: listens on %q", r.Body, m.HostIP)
					}
				}
			}
			request := reflect.Indirect(reflect.ValueOf(decoded))
			if request.Kind() != reflect.Struct || !request.FieldByName("ListenAddr").IsValid() {
				continue
			}
			listen := request.FieldByName("ListenAddr").String()
			host, _, err := net.SplitHostPort(listen)
			if err != nil {
				continue // the Engine refuses it
			}
			if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
				t.Errorf("%s: listens on %q", r.Body, listen)
			}
		}
	}
}

// seeds are the bodies that the case files send to an endpoint, and some that
// are written to mislead.
func seeds(f *testing.F, target string) [][]byte {
	bodies := [][]byte{
		nil,
		[]byte(`null`),
		[]byte(`{}`),
		[]byte(`[]`),
		[]byte(`{"Name":"a","name":"b"}`),
		[]byte(`{"Driver":"macvlan","driver":null}`),
		[]byte(`{"EndpointConfig":{"Network\u0049D":"x"},"Container":"c"}`),
		[]byte(`{"DriverOpt\u017f":{"o":"bind","device":"/run"}}`),
		[]byte(`{"TaskTemplate":{"ContainerSpec":{"Mounts":[{"Type":"bind","Source":"/run"}]}},"taskTemplate":{}}`),
		[]byte(`{"ListenAddr":"0.0.0.0:2377"} {"ListenAddr":"127.0.0.1:2377"}`),
	}
	path, _, _ := strings.Cut(target, "?")
	return append(bodies, fuzzBodies(f, path[strings.LastIndexByte(path, '/'):])...)
}
