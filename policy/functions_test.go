package policy_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/safesock/safesock/policy"
)

// exampleCall and exampleClaims are what the examples of the reference are
// about. The reference says so.
var (
	exampleCall = policy.Call{
		Endpoint: "container.create", Method: "POST", Path: "/containers/create", Version: "1.51", Known: true,
		Container: policy.Container{Name: "web-1", Image: "ghcr.io/acme/web:1", Labels: map[string]string{"tier": "edge"}},
		Build: policy.Build{Ref: "x1y2z3", Frontend: "dockerfile.v0", Context: "https://example.com/a.git", Dockerfile: "Dockerfile", Target: "release",
			Platforms: []string{"linux/amd64"}, Tags: []string{"shop:latest"}, Exporters: []string{"local"}, Caches: []string{"registry"},
			Entitlements: []string{"network.host"}, Push: true},
		Compose:   policy.Compose{Project: "shop", Service: "web", Files: "/srv/shop/compose.yaml", Dir: "/srv/shop"},
		Client:    policy.Client{UID: 1000, GID: 1000, PID: 4242, User: policy.Found("ann"), Groups: policy.Found([]string{"ops", "docker"}), Command: policy.Found("docker")},
		Interface: func(string) ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("172.17.0.1")}, nil },
	}
	exampleClaims = map[policy.Kind]policy.Claim{
		policy.KindPort:      policy.Port{Container: 80, Protocol: "tcp", Host: "8080", IP: "10.1.2.3", Bindable: true},
		policy.KindNetwork:   policy.Network{Mode: "macvlan", Name: "shop_lan", Driver: "macvlan", Options: map[string]string{"parent": "eth0"}},
		policy.KindMount:     policy.Mount{Source: "/run/docker.sock", Target: "/var/run/docker.sock", Engine: true, Socket: true},
		policy.KindPrivilege: policy.Privilege{Name: "cap", Value: "NET_ADMIN", Replaceable: true},
	}
)

// holds reports whether a condition decides the example's port.
func holds(t *testing.T, condition string) (bool, string) {
	t.Helper()
	return holdsFor(t, policy.KindPort, condition)
}

// holdsFor reports whether a condition decides a claim; an error is the reason
// of the denial.
func holdsFor(t *testing.T, kind policy.Kind, condition string) (bool, string) {
	t.Helper()
	src := fmt.Sprintf("%[1]s \"p\" {\n when = %[2]s\n action = \"allow\"\n expires = \"2999-01-01T00:00:00Z\"\n}\n%[1]s \"q\" {\n action = \"warn\"\n}\n", kind, condition)
	p, err := policy.Parse(policy.SomeNames, policy.File{Name: "p.hcl", Src: []byte(src)})
	if err != nil {
		t.Fatalf("%s: %v", condition, err)
	}
	d := p.Decide(&exampleCall, exampleClaims[kind])
	return d.Action == policy.Allow, d.Reason
}

func TestExamplesOfTheReferenceHold(t *testing.T) {
	check := func(kind policy.Kind, name, example string) {
		if ok, reason := holdsFor(t, kind, example); !ok || reason != "" || !strings.Contains(example, name) {
			t.Errorf("%s: %s does not hold, or does not show it: %s", name, example, reason)
		}
	}
	for _, f := range policy.Schema.Functions {
		check(policy.KindPort, f.Name+"(", f.Example)
	}
	for _, k := range policy.Schema.Kinds {
		for _, a := range k.Attributes {
			check(k.Kind, string(k.Kind)+"."+a.Name, a.Example)
		}
	}
	for _, o := range policy.Schema.Objects {
		for _, a := range o.Attributes {
			check(policy.KindPort, o.Name+"."+a.Name, a.Example)
		}
	}
}

func TestFunctions(t *testing.T) {
	for _, test := range []struct {
		condition string
		want      bool
	}{
		{`glob("*", "")`, true},
		{`glob("", "a")`, false},
		{`glob("a*", "a/b")`, false},
		{`glob("a**", "a/b")`, true},
		{`glob("**/b", "a/a/b")`, true},
		{`glob("*/b", "a/a/b")`, false},
		{`glob("a?c", "abc")`, true},
		{`glob("a?c", "a/c")`, false},
		{`glob("?", "é")`, true},
		{`glob("[a-c]x", "bx")`, true},
		{`glob("[^a-c]x", "bx")`, false},
		{`glob("[!a-c]x", "dx")`, true},
		{`glob("[^a]", "/")`, false},
		{`glob("[]]", "]")`, true},
		{`glob("\\*", "*")`, true},
		{`glob("\\*", "a")`, false},
		{`glob("*a*b*c*", "xxaxxbxxc")`, true},
		{`glob("*.example.org", "a.b.example.org")`, true},

		{`cidrcontains("10.0.0.0/8", "::ffff:10.0.0.1")`, true},
		{`cidrcontains("10.0.0.0/8", "")`, false},
		{`cidrcontains("10.0.0.0/8", "11.0.0.1")`, false},
		{`cidrcontains("fd00::/8", "fd12::1")`, true},
		{`cidrcontains("::/0", "10.0.0.1")`, false},
		{`cidrcontains("127.0.0.1", "127.0.0.1")`, true},
		{`cidrcontains("::ffff:127.0.0.1", "127.0.0.1")`, true},

		{`length("é") == 1`, true},
		{`length({ a = 1, b = 2 }) == 2`, true},
		{`length([]) == 0`, true},
		{`anytrue([])`, false},
		{`alltrue([])`, true},
		{`anytrue([false, true])`, true},
		{`alltrue([false, true])`, false},
		{`coalesce("", null, "x") == "x"`, true},
		{`lookup(container.labels, "none", "y") == "y"`, true},
	} {
		// Once as a constant, and once as a value that depends on the call.
		for _, condition := range []string{test.condition, test.condition + " && port.bindable"} {
			if got, reason := holds(t, condition); got != test.want || reason != "" {
				t.Errorf("%s: got %v want %v %s", condition, got, test.want, reason)
			}
		}
	}
}

func TestFiltersUnlessEveryCallIsAllowed(t *testing.T) {
	const all = "api \"all\" {\n action = \"allow\"\n}\n"
	for _, test := range []struct {
		src  string
		want bool
	}{
		{"inherit = false\n", true},
		{all, false},
		{"api \"x\" {\n when = call.known\n action = \"allow\"\n}\n" + all, true},
		{"api \"x\" {\n when = call.known\n action = \"deny\"\n}\n" + all, true},
		{"api \"x\" {\n action = \"warn\"\n}\n", true},
		{"api \"x\" {\n action = \"allow\"\n expires = \"2027-01-01T00:00:00Z\"\n}\n" + all, true},
	} {
		p, err := policy.Parse(policy.SomeNames, policy.File{Name: "p.hcl", Src: []byte(test.src)})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Filters(); got != test.want {
			t.Errorf("%q: got %v want %v", test.src, got, test.want)
		}
	}
}
