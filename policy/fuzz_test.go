package policy_test

import (
	"errors"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/safesock/safesock"
	"github.com/safesock/safesock/policy"
	"golang.org/x/tools/txtar"
)

// someCalls and someClaims are what a fuzzed policy decides.
var (
	someCalls = []*policy.Call{
		{},
		{
			Endpoint: "container.create", Method: "POST", Path: "/containers/create", Version: "1.51", Known: true,
			Container: policy.Container{Name: "web", Image: "web:1", Labels: map[string]string{"level": "strict"}},
			Compose:   policy.Compose{Project: "edge", Service: "web", Files: "/srv/compose.yaml", Dir: "/srv"},
			Client:    policy.Client{UID: 1000, GID: 1000, PID: 7, User: policy.Found("ann"), Groups: policy.Found([]string{"ann", "ops"}), Command: policy.Found("docker")},
			Time:      time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC),
			Interface: func(name string) ([]netip.Addr, error) {
				if name == "lo" {
					return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
				}
				return nil, errors.New("no such network interface")
			},
		},
	}
	someClaims = []policy.Claim{
		policy.Port{Container: 80, Protocol: "tcp", Host: "8080", Bindable: true},
		policy.Port{Container: 5432, Protocol: "tcp", IP: "0.0.0.0", Bindable: true},
		policy.Port{Container: 53, Protocol: "udp", IP: "192.0.2.7"},
		policy.Network{Mode: "host", Name: "host", Driver: "host"},
		policy.Network{Mode: "routed", Options: map[string]string{"com.docker.network.bridge.gateway_mode_ipv4": "routed"}},
		policy.Mount{Source: "/run/docker.sock", Target: "/run/docker.sock", Engine: true, Socket: true},
		policy.Mount{Source: "/srv", Target: "/srv", ReadOnly: true},
		policy.Privilege{Name: "cap", Value: "NET_ADMIN"},
		policy.API{},
	}
)

func decisions(p *policy.Policy) []policy.Decision {
	var all []policy.Decision
	for _, call := range someCalls {
		decider := p.For(call)
		for _, claim := range someClaims {
			d := decider.Decide(claim)
			d.Reason = strings.Join(strings.Fields(d.Reason), "") // quotes the policy with its white space
			d.Reason = strings.ReplaceAll(d.Reason, "…", "")
			all = append(all, d)
		}
	}
	return all
}

// FuzzParse checks that no source makes Parse or Decide panic, that each mistake
// has a text, and that a formatted policy decides as before.
func FuzzParse(f *testing.F) {
	f.Add(safesock.Policy.Src)
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, ".hcl") {
				f.Add(file.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := policy.Parse(policy.SomeNames, policy.File{Name: "p.hcl", Src: src})
		if err != nil {
			var diags *policy.Diagnostics
			if !errors.As(err, &diags) || len(diags.List) == 0 || diags.List[0].Summary == "" {
				t.Errorf("%q: an error without a mistake: %v", src, err)
			}
			return
		}
		p.Warnings(time.Time{})
		got := decisions(p)
		formatted, err := policy.Parse(policy.SomeNames, policy.File{Name: "p.hcl", Src: hclwrite.Format(src)})
		if err != nil {
			t.Fatalf("%q: formatted it does not load: %v", src, err)
		}
		if again := decisions(formatted); !reflect.DeepEqual(got, again) {
			t.Errorf("%q: formatted it decides otherwise:\n got %+v\nwant %+v", src, again, got)
		}
	})
}
