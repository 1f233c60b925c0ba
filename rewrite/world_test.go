package rewrite

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/safesock/safesock"
	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// world is what a case file says about everything besides the call, and is
// ordinary where it says nothing.
type world struct {
	policy     string
	engine     map[string]Answer
	paths      map[string]string
	groups     map[string]int
	interfaces map[string]bool
	bridges    map[string]bool
	ports      map[string]int // by what is asked, as in "tcp 127.0.0.1 ::1 8000-8010 #2"

	asked []string // of the Engine, the host's paths and its ports, in order
	away  error    // of the Engine that cannot be asked
}

func newWorld() *world {
	return &world{
		engine: map[string]Answer{}, paths: map[string]string{}, groups: map[string]int{}, interfaces: map[string]bool{}, bridges: map[string]bool{}, ports: map[string]int{},
	}
}

func (w *world) learn(t *testing.T, name, text string) {
	t.Helper()
	what, rest, _ := strings.Cut(name, " ")
	line := strings.TrimSpace(text)
	switch what {
	case "policy":
		w.policy = text
	case "engine":
		path := strings.TrimPrefix(rest, "GET ")
		a := Answer{Status: http.StatusOK, Body: whole(path, text)}
		if first, body, _ := strings.Cut(text, "\n"); strings.HasPrefix(first, "status ") {
			a.Status, _ = strconv.Atoi(strings.TrimPrefix(first, "status "))
			a.Body = []byte(body)
		}
		w.engine[path] = a
	case "path":
		w.paths[rest] = line
	case "group":
		gid, err := strconv.Atoi(line)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		w.groups[rest] = gid
	case "interface":
		w.interfaces[rest] = true
	case "bridge":
		w.bridges[rest] = true
	case "port":
		port, err := strconv.Atoi(line)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		w.ports[rest] = port
	default:
		t.Fatalf("no section is named %q", name)
	}
}

func (w *world) Engine(path string) (Answer, error) {
	w.asked = append(w.asked, path)
	a, ok := w.engine[path]
	switch {
	case w.away != nil:
		return Answer{}, w.away
	case ok:
		return a, nil
	case path == "/version":
		return Answer{Status: http.StatusOK, Body: whole(path, "{}")}, nil
	}
	return Answer{Status: http.StatusNotFound, Body: []byte(`{"message":"no such thing"}`)}, nil
}

func (w *world) Resolve(path string) (resolved string, exists bool, err error) {
	w.asked = append(w.asked, path)
	if resolved, ok := w.paths[path]; ok {
		if problem, failed := strings.CutPrefix(resolved, "error "); failed {
			return "", false, errors.New(problem)
		}
		if why, is := strings.CutPrefix(resolved, "elsewhere "); is {
			return "", false, Elsewhere(why)
		}
		if resolved == "missing" {
			return path, false, nil
		}
		return resolved, true, nil
	}
	return path, true, nil
}

func (w *world) GroupOf(path string) (int, error) {
	gid, ok := w.groups[path]
	if !ok {
		return 0, errors.New("the case does not say")
	}
	return gid, nil
}

func (w *world) HasInterface(name string) (bool, error) { return w.interfaces[name], nil }

func (w *world) HasForeignPorts(bridge string) (bool, error) { return w.bridges[bridge], nil }

func (w *world) OwnsBuild(id string) bool { return !strings.HasPrefix(id, "others") }

func (w *world) Addresses(name string) ([]netip.Addr, error) {
	switch name {
	case "lo":
		return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}, nil
	case "docker0":
		return []netip.Addr{netip.MustParseAddr("172.17.0.1")}, nil
	}
	return nil, fmt.Errorf("no such interface")
}

func (w *world) FreePort(protocol string, addrs []netip.Addr, first, last int, taken func(int) bool) (int, error) {
	name := protocol
	for _, addr := range addrs {
		name += " " + addr.String()
	}
	if first > 0 {
		name += fmt.Sprintf(" %d-%d", first, last)
	}
	for n := 1; ; n++ {
		key := name
		if n > 1 {
			key += " #" + strconv.Itoa(n)
		}
		port, ok := w.ports[key]
		if !ok {
			return 0, errors.New("the case does not say")
		}
		if !taken(port) {
			return port, nil
		}
	}
}

// apply is Apply for a call that shows no mistake of safesock's own.
func (w *world) apply(t testing.TB, p *policy.Policy, c Call) (Result, error) {
	t.Helper()
	r, err := Apply(p, c, w)
	if err != nil && strings.Contains(err.Error(), ownMistake) {
		t.Fatalf("%s: %v", c.Body, err)
	}
	return r, err
}

func (w *world) parse(t testing.TB) *policy.Policy {
	t.Helper()
	files := []policy.File{safesock.Policy}
	if w.policy != "" {
		files = append([]policy.File{{Name: "own.hcl", Src: []byte(w.policy)}}, files...)
	}
	p, err := policy.Parse(Names, files...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// whole is an Engine's answer with the fields that every one has. Cases say what
// they are about.
func whole(path, body string) []byte {
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &object); err != nil {
		return []byte(body) // a case about that
	}
	path, _, _ = strings.Cut(path, "?")
	for _, l := range Lookups {
		prefix, suffix, _ := strings.Cut(l.Path, "{name}")
		name, matches := strings.CutPrefix(path, prefix)
		if name, found := strings.CutSuffix(name, suffix); matches && found && !strings.Contains(name, "/") {
			for _, field := range l.Fields {
				if _, has := object[field]; !has {
					object[field] = json.RawMessage(fieldOf(l.Kind, name, field))
				}
			}
		}
	}
	full, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	return full
}

// fieldOf is what an ordinary object has in a field.
func fieldOf(kind, name, field string) string {
	switch field {
	case "Driver":
		return map[string]string{"network": `"bridge"`, "volume": `"local"`}[kind]
	case "State", "Config", "HostConfig", "NetworkSettings", "Spec", "ProcessConfig":
		return "{}"
	case "Mounts", "Dependencies", "Components":
		return "[]"
	case "NumContainers":
		return "1"
	case "Version", "ApiVersion":
		return `"1.24"`
	}
	return jsonedit.Quote(name)
}

// hostile is a world in which every name leads to something that is claimed: an
// old Engine, networks on the LAN, interfaces that exist.
type hostile struct{ world }

func (*hostile) Engine(path string) (Answer, error) {
	kind, name, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	name, _ = url.PathUnescape(strings.TrimSuffix(name, "/json"))
	var found any
	switch kind {
	case "version":
		found = map[string]string{"ApiVersion": "1.41", "Version": "20.10.24"}
	case "networks":
		found = map[string]any{"Id": "1d", "Name": name, "Driver": "macvlan",
			"Options": map[string]string{"com.docker.network.bridge.gateway_mode_ipv4": "routed"}}
	case "containers":
		found = map[string]any{"Id": "1d", "Name": "/" + name, "State": map[string]bool{"Running": true},
			"HostConfig":      map[string]any{"PortBindings": map[string]any{"80/tcp": []any{map[string]string{"HostPort": "80"}}}},
			"NetworkSettings": map[string]any{"Networks": map[string]any{"lan": map[string]string{"NetworkID": "2d"}}}}
	case "volumes":
		found = map[string]any{"Name": name, "Driver": "local", "Options": map[string]string{"o": "bind", "device": "/of/" + name}}
	default:
		return Answer{Status: http.StatusNotFound}, nil
	}
	body, err := json.Marshal(found)
	if err != nil {
		panic(err)
	}
	return Answer{Status: http.StatusOK, Body: whole(path, string(body))}, nil
}

func (*hostile) GroupOf(path string) (int, error) { return len(path), nil }

func (*hostile) HasInterface(string) (bool, error) { return true, nil }

func (*hostile) HasForeignPorts(string) (bool, error) { return true, nil }

func (*hostile) OwnsBuild(string) bool { return false }

func (*hostile) FreePort(string, []netip.Addr, int, int, func(int) bool) (int, error) {
	return 40000, nil
}

func applyHostile(t testing.TB, p *policy.Policy, method, target string, body []byte) (Result, error) {
	t.Helper()
	return Apply(p, testCall(t, method, target, body), &hostile{})
}
