package policy_test

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/safesock/safesock"
	"github.com/safesock/safesock/policy"
)

var builtinFile = policy.File{Name: "policy.hcl", Src: safesock.Policy, Builtin: true}

// parse reads a user's policy, put before the built-in one.
func parse(t testing.TB, src string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse(policy.File{Name: "user.hcl", Src: []byte(src)}, builtinFile)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return p
}

func TestBuiltinPolicyDecides(t *testing.T) {
	p := parse(t, "")
	rule := func(kind policy.Kind, name string) policy.Rule {
		for _, r := range p.Rules() {
			if r.Kind == kind && r.Name == name {
				return r
			}
		}
		t.Errorf("no rule %s %q", kind, name)
		return policy.Rule{}
	}
	for _, test := range []struct {
		claim policy.Claim
		want  policy.Decision
	}{
		{policy.Port{Container: 80, Protocol: "tcp", Host: "8080", Bindable: true}, policy.Decision{
			Action: policy.Bind, To: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Rule: rule("port", "unset goes to loopback")}},
	} {
		if got := p.Decide(&policy.Call{}, test.claim); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%+v:\n got %+v\nwant %+v", test.claim, got, test.want)
		}
	}
}
