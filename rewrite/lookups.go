package rewrite

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/safesock/safesock/rewrite/jsonedit"
)

// Lookup is how the Engine is asked for an object of one kind.
type Lookup struct {
	Kind   string
	Path   string   // {name} is the object's name
	Fields []string // every answer has these; an answer without them is refused
	None   []int    // statuses that mean that there is no such object
}

// lookup is an index of Lookups.
type lookup int

const (
	aContainer lookup = iota
	aNetwork
	aVolume
	anImage
	aService
	aPod
	aPodmanContainer
	anExec
	engineVersion
	engineInfo
)

// Lookups are all questions to the Engine. Podman serves its own API only under a
// version, of which 4.0.0 is the oldest. Docker has no such routes, and answers
// 404.
var Lookups = [...]Lookup{
	aContainer:       {"container", "/containers/{name}/json", []string{"Id", "Name", "State", "Config", "HostConfig", "Mounts", "NetworkSettings"}, notFound},
	aNetwork:         {"network", "/networks/{name}", []string{"Id", "Name", "Driver"}, notFound},
	aVolume:          {"volume", "/volumes/{name}", []string{"Name", "Driver"}, notFound},
	anImage:          {"image", "/images/{name}/json", []string{"Id"}, []int{http.StatusNotFound, http.StatusBadRequest}}, // 400 for a malformed platform
	aService:         {"service", "/services/{name}", []string{"ID", "Spec"}, notFound},
	aPod:             {"pod", "/v4.0.0/libpod/pods/{name}/json", []string{"Id", "Name", "NumContainers"}, notFound}, // a pod without containers has no field Containers
	aPodmanContainer: {"Podman container", "/v4.0.0/libpod/containers/{name}/json", []string{"Id", "Mounts", "Dependencies"}, notFound},
	anExec:           {"exec", "/exec/{name}/json", []string{"ID", "ContainerID", "ProcessConfig"}, notFound},
	engineVersion:    {"version", "/version", []string{"Version", "ApiVersion", "Components"}, nil},
	engineInfo:       {"info", "/info", []string{"DefaultRuntime"}, nil},
}

var notFound = []int{http.StatusNotFound}

// Question is the request target that asks for an object of a kind by name. It
// panics if no Lookup is of this kind.
func Question(kind, name string) string {
	for _, l := range Lookups {
		if l.Kind == kind {
			return l.Target(name)
		}
	}
	panic("nothing is looked up as a " + kind)
}

// Target is the request target that asks for an object by name.
func (l Lookup) Target(name string) string {
	name = url.PathEscape(name)
	if l.Kind == "image" { // for Podman, a slash in the name is a slash of the path
		name = strings.ReplaceAll(name, "%2F", "/")
	}
	return strings.Replace(l.Path, "{name}", name, 1)
}

// Platform is the query that asks for an image of a platform, as in
// "linux/arm64/v8". It is "" if the platform is "".
func Platform(platform string) string {
	if platform == "" {
		return ""
	}
	if !strings.Contains(platform, "/") && !slices.Contains(systems, platform) {
		platform = "linux/" + platform
	}
	var fields []string
	for i, part := range strings.SplitN(platform, "/", 3) {
		fields = append(fields, jsonedit.Quote([]string{"os", "architecture", "variant"}[i])+":"+jsonedit.Quote(part))
	}
	return "?platform=" + url.QueryEscape("{"+strings.Join(fields, ",")+"}")
}

// systems are what a platform of one part can name besides an architecture
// (containerd: platforms.Parse).
var systems = []string{
	"aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js", "linux", "netbsd", "openbsd", "plan9", "solaris", "wasip1",
	"windows", "zos",
}

// lacks is the first field that an answer must have and has not, "" if it has
// all.
func (l Lookup) lacks(object jsonedit.Value) string {
	for _, name := range l.Fields {
		if field := object.Field(name); field.Absent() || field.Raw() == `""` {
			return name
		}
	}
	return ""
}

// get is the Engine's answer to GET path, nil if the call is refused.
func (c *reading) get(path string) (a *remembered) {
	if c.refusal == nil {
		a, c.refusal = c.world.get(path)
	}
	return a
}

// engine is an object of the Engine, absent if there is no such object. More is
// appended to the request target.
func (c *reading) engine(what lookup, name string, more ...string) jsonedit.Value {
	l := Lookups[what]
	target := l.Target(name) + strings.Join(more, "")
	a := c.get(target)
	switch {
	case a == nil || slices.Contains(l.None, a.Status):
		return jsonedit.Value{}
	case a.Status != http.StatusOK:
		c.refuse(http.StatusBadGateway, "the Engine answered %d to GET %s, which the policy needs to know", a.Status, target)
		return jsonedit.Value{}
	}
	title := "the Engine's answer to GET " + target
	if a.tree == nil {
		var err error
		if a.tree, err = jsonedit.Parse(string(a.Body)); err != nil {
			c.refuse(http.StatusBadGateway, "%s: %v", title, err)
			return jsonedit.Value{}
		}
	}
	object := c.document(title, a.tree, http.StatusBadGateway).Object()
	if field := l.lacks(object); field != "" {
		c.refuse(http.StatusBadGateway, "%s lacks %s", title, field)
		return jsonedit.Value{}
	}
	// An object that was found by its name need not be asked for by its id.
	if id := object.Field("Id").Text(); id != "" && id != name && len(more) == 0 {
		c.world.engine[l.Target(id)] = a
	}
	return object
}

// must does what engine does, but refuses the call if there is no such object, in
// the Engine's own words. If the call were forwarded for the Engine to refuse,
// another object could have the name by then.
func (c *reading) must(what lookup, name string) jsonedit.Value {
	l := Lookups[what]
	object := c.engine(what, name)
	if a := c.get(l.Target(name)); a != nil && object.Absent() {
		said := struct{ Message string }{}
		_ = json.Unmarshal(a.Body, &said) // a body that is not JSON has no message
		c.refusal = &Refusal{http.StatusNotFound, cmp.Or(said.Message, fmt.Sprintf("No such %s: %s", l.Kind, name))}
	}
	return object
}

// host asks the host a question about the interface that a value names.
func (c *reading) host(holds func(name string) (bool, error), at jsonedit.Value) bool {
	if c.refusal != nil {
		return false
	}
	if c.refusal = c.world.count(); c.refusal != nil {
		return false
	}
	yes, err := holds(at.Text())
	if err != nil {
		c.refusal = unknown("interface", at.Text(), err)
	}
	return yes
}

// resolved is where a path of the host leads, the zero resolution if the call is
// refused.
func (c *reading) resolved(path string) (found resolution) {
	if c.refusal == nil {
		found, c.refusal = c.world.resolve(path)
	}
	return found
}

// podmans is a container as Podman's own API describes it, with more than Docker's
// API. It is absent if the Engine is Docker.
func (c *reading) podmans(x jsonedit.Value) jsonedit.Value {
	id := x.Field("Id").Text()
	if a := c.get(Lookups[aContainer].Target(id)); a == nil || a.Docker {
		return jsonedit.Value{}
	}
	return c.engine(aPodmanContainer, id)
}

// nameOf is a container's name, without the slash that the Engine puts first.
func nameOf(x jsonedit.Value) string { return strings.TrimPrefix(x.Field("Name").Text(), "/") }

// inspect is a container as the Engine describes it, absent if there is no such
// container.
func (c *reading) inspect(name string) jsonedit.Value { return c.engine(aContainer, name) }

// mustInspect does what inspect does, but refuses the call if there is no such
// container.
func (c *reading) mustInspect(name string) jsonedit.Value { return c.must(aContainer, name) }

// podmanEngine is the name of Podman in the Components of its version.
const podmanEngine = "Podman Engine"

// podman reports whether the Engine is Podman.
func (c *reading) podman() bool {
	for part := range c.engine(engineVersion, "").Field("Components").Items() {
		if part.Field("Name").Text() == podmanEngine {
			return true
		}
	}
	return false
}
