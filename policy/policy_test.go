package policy_test

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/safesock/safesock"
	"github.com/safesock/safesock/policy"
)

// parse reads a user's policy, put before the built-in one.
func parse(t testing.TB, src string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse(policy.SomeNames, policy.File{Name: "user.hcl", Src: []byte(src)}, safesock.Policy)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return p
}

func TestUsersRulesAreTriedBeforeTheBuiltInOnes(t *testing.T) {
	p := parse(t, `
port "databases" {
  when    = port.container == 5432
  action  = "bind"
  to      = ["127.0.0.1", "192.0.2.7"]
  message = "port ${port.container} stays here"
}
`)
	builtin := p.Rules()[1:]
	for _, test := range []struct {
		claim policy.Claim
		want  policy.Decision
	}{
		{policy.Port{Container: 5432, Protocol: "tcp", IP: "0.0.0.0", Bindable: true}, policy.Decision{
			Action:  policy.Bind,
			To:      []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.7")},
			Rule:    policy.Rule{Kind: policy.KindPort, Name: "databases", File: "user.hcl", Line: 2},
			Message: "port 5432 stays here",
		}},
		{policy.Port{Container: 80, Protocol: "tcp", Bindable: true}, policy.Decision{
			Action: policy.Bind,
			To:     []netip.Addr{netip.MustParseAddr("127.0.0.1")},
			Rule:   builtin[1],
		}},
	} {
		if got := p.Decide(&policy.Call{}, test.claim); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%+v:\n got %+v\nwant %+v", test.claim, got, test.want)
		}
	}
}

func TestNoClaimIsDenied(t *testing.T) {
	p := parse(t, "port \"all\" {\n action = \"allow\"\n}\n")
	got := p.Decide(&policy.Call{}, nil)
	if want := (policy.Decision{Reason: "there is no claim to decide"}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v want %+v", got, want)
	}
}

func TestAPointerToAClaimIsDecidedAsTheClaim(t *testing.T) {
	p := parse(t, "port \"all\" {\n when = port.container == 80 && port.scope == \"any\"\n action = \"deny\"\n}\n")
	for _, claim := range []policy.Port{{Container: 80, IP: "::", Bindable: true}, {Container: 81, IP: "::", Bindable: true}} {
		got, want := p.Decide(&policy.Call{}, &claim), p.Decide(&policy.Call{}, claim)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: got %+v want %+v", claim, got, want)
		}
	}
}

func TestAMistakeHasItsPartsAsValues(t *testing.T) {
	_, err := policy.Parse(policy.SomeNames, policy.File{Name: "p.hcl", Src: []byte("port \"x\" {\n  action = \"dney\"\n}\n")})
	var got *policy.Diagnostics
	if !errors.As(err, &got) {
		t.Fatalf("%T instead of *Diagnostics", err)
	}
	want := &policy.Diagnostics{List: []policy.Diagnostic{{
		Summary: "Unsupported action",
		Detail:  `There is no action "dney". Did you mean "deny"? The actions of port are allow, warn, bind and deny.`,
		File:    "p.hcl", Line: 2, Column: 12,
		Text: `Error: Unsupported action

  on p.hcl line 2, in port "x":
   2:   action = "dney"
                 ^^^^^^

There is no action "dney". Did you mean "deny"? The actions of port are allow, warn, bind and deny.
`,
	}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestManyGoroutinesDecideAtOnce is of use with -race.
func TestManyGoroutinesDecideAtOnce(t *testing.T) {
	p := parse(t, `
locals {
  tiers = values(container.labels)[*]
}
port "x" {
  when   = contains(local.tiers, "edge") && length(client.groups[*]) == 2 && can(regex(container.name, "web"))
  action = "bind"
  to     = ["127.0.0.1", interface("lo")]
}
`)
	call := *someCalls[1]
	call.Container.Labels = map[string]string{"tier": "edge"}
	claim := policy.Port{Container: 80, Bindable: true}
	want := p.Decide(&call, claim)
	if want.Action != policy.Bind {
		t.Fatalf("%+v", want)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				if got := p.Decide(&call, claim); !reflect.DeepEqual(got, want) {
					t.Errorf("got %+v want %+v", got, want)
				}
			}
		})
	}
	all.Wait()
}

// comments is the text of the built-in policy's comments, which are the
// language's reference.
func comments() string {
	var b strings.Builder
	for line := range strings.Lines(string(safesock.Policy.Src)) {
		if text, ok := strings.CutPrefix(line, "#"); ok {
			b.WriteString(text)
		}
	}
	return b.String()
}

func TestReferenceNamesWhatThereIs(t *testing.T) {
	words := map[string]bool{}
	for _, word := range strings.FieldsFunc(comments(), func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
		words[word] = true
	}
	var names []string
	for _, settings := range [][]policy.Setting{policy.Schema.Settings, policy.Schema.Rule} {
		for _, s := range settings {
			names = append(names, s.Name)
		}
	}
	for _, k := range policy.Schema.Kinds {
		names = append(names, string(k.Kind))
		for _, a := range k.Attributes {
			names = append(names, a.Name)
		}
		for _, a := range k.Actions {
			names = append(names, a.String())
		}
	}
	for _, o := range policy.Schema.Objects {
		names = append(names, o.Name)
		for _, a := range o.Attributes {
			names = append(names, a.Name)
		}
	}
	for _, name := range names {
		if !words[name] {
			t.Errorf("policy.hcl does not say what %q is", name)
		}
	}
}

func TestExamplesOfTheReferenceLoad(t *testing.T) {
	found := 0
	for _, paragraph := range strings.Split(comments(), "\n\n") {
		if !strings.HasPrefix(paragraph, `   port "`) && !strings.HasPrefix(paragraph, "   mode ") {
			continue
		}
		found++
		if _, err := policy.Parse(policy.SomeNames, policy.File{Name: "example.hcl", Src: []byte(paragraph)}, safesock.Policy); err != nil {
			t.Errorf("%v", err)
		}
	}
	if found != 3 {
		t.Errorf("found %d examples, want 3", found)
	}
}

func TestARuleThatExpiredInTheYearOneIsSkipped(t *testing.T) {
	p := parse(t, `privilege "once" {
  action  = "allow"
  expires = "0001-01-01T00:00:00Z"
}
privilege "now" { action = "deny" }
`)
	got := p.Decide(&policy.Call{Time: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)}, policy.Privilege{Name: "cap"})
	if got.Action != policy.Deny || got.Rule.Name != "now" {
		t.Errorf("got %v by %q, want %v by %q", got.Action, got.Rule.Name, policy.Deny, "now")
	}
}
