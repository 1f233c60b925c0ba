package policy_test

import (
	"os"
	"testing"

	"github.com/safesock/safesock"
	"github.com/safesock/safesock/policy"
)

// BenchmarkDecideCall decides a ping and a create under short policies.
func BenchmarkDecideCall(b *testing.B) {
	ci, err := os.ReadFile("../examples/ci.hcl")
	if err != nil {
		b.Fatal(err)
	}
	api := "api \"no\" {\n when = call.method == \"DELETE\" && startswith(call.path, \"/x\")\n action = \"deny\"\n}\n"
	port := policy.Port{Container: 80, Protocol: "tcp", Host: "8080", Bindable: true}
	mount := policy.Mount{Source: "/home/runner/work/a", Target: "/a"}
	priv := policy.Privilege{Name: "cap", Value: "x"}
	create := *someCalls[1]
	ping := policy.Call{Method: "GET", Path: "/_ping", Version: "1.51", Known: true}
	for _, t := range []struct {
		name   string
		src    string
		call   *policy.Call
		claims []policy.Claim
	}{
		{"builtin create", "", &create, []policy.Claim{policy.API{}, port}},
		{"ci create 1 port", string(ci), &create, []policy.Claim{policy.API{}, port}},
		{"ci create port mount priv", string(ci), &create, []policy.Claim{policy.API{}, port, mount, priv}},
		{"ci ping", string(ci), &ping, []policy.Claim{policy.API{}}},
		{"api ping", api, &ping, []policy.Claim{policy.API{}}},
		{"api create", api, &create, []policy.Claim{policy.API{}, port}},
	} {
		files := []policy.File{safesock.Policy}
		if t.src != "" {
			files = append([]policy.File{{Name: "x.hcl", Src: []byte(t.src)}}, files...)
		}
		p, err := policy.Parse(policy.SomeNames, files...)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(t.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d := p.For(t.call)
				for _, c := range t.claims {
					d.Decide(c)
				}
			}
		})
	}
}
