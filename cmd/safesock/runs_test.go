package main

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite"
)

func TestConsecutivePortsThatAreDecidedAlikeAreOneOutcome(t *testing.T) {
	bound := policy.Decision{Action: policy.Bind, To: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}
	two := policy.Decision{Action: policy.Bind, To: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}}
	allowed := policy.Decision{Action: policy.Allow}
	port := func(container int, host string, d policy.Decision) rewrite.Outcome {
		return rewrite.Outcome{Claim: policy.Port{Container: container, Protocol: "tcp", Host: host}, Decision: d}
	}
	run := func(container, last int, host string, d policy.Decision) rewrite.Outcome {
		return rewrite.Outcome{Claim: policy.Port{Container: container, Last: last, Protocol: "tcp", Host: host}, Decision: d}
	}
	udp := rewrite.Outcome{Claim: policy.Port{Container: 81, Protocol: "udp", Host: "8081"}, Decision: bound}
	mount := rewrite.Outcome{Claim: policy.Mount{Source: "/srv"}, Decision: allowed}
	for name, test := range map[string]struct{ all, want []rewrite.Outcome }{
		"three, in any order":             {[]rewrite.Outcome{port(82, "8082", bound), port(80, "8080", bound), port(81, "8081", bound)}, []rewrite.Outcome{run(80, 82, "8080-8082", bound)}},
		"a gap":                           {[]rewrite.Outcome{port(80, "80", bound), port(82, "82", bound)}, []rewrite.Outcome{port(80, "80", bound), port(82, "82", bound)}},
		"a gap on the host":               {[]rewrite.Outcome{port(80, "80", bound), port(81, "82", bound)}, []rewrite.Outcome{port(80, "80", bound), port(81, "82", bound)}},
		"another decision":                {[]rewrite.Outcome{port(80, "80", bound), port(81, "81", allowed)}, []rewrite.Outcome{port(80, "80", bound), port(81, "81", allowed)}},
		"a decision between":              {[]rewrite.Outcome{port(80, "80", bound), port(81, "81", allowed), port(82, "82", bound)}, []rewrite.Outcome{port(80, "80", bound), port(81, "81", allowed), port(82, "82", bound)}},
		"another protocol between":        {[]rewrite.Outcome{port(81, "8081", bound), udp, port(82, "8082", bound)}, []rewrite.Outcome{run(81, 82, "8081-8082", bound), udp}},
		"free ports":                      {[]rewrite.Outcome{port(80, "", bound), port(81, "", bound)}, []rewrite.Outcome{run(80, 81, "", bound)}},
		"free ports on several addresses": {[]rewrite.Outcome{port(80, "", two), port(81, "", two)}, []rewrite.Outcome{port(80, "", two), port(81, "", two)}},
		"ranges on the host":              {[]rewrite.Outcome{port(80, "80-81", bound), port(81, "80-81", bound)}, []rewrite.Outcome{port(80, "80-81", bound), port(81, "80-81", bound)}},
		"a port twice":                    {[]rewrite.Outcome{port(80, "80", bound), port(80, "81", bound)}, []rewrite.Outcome{port(80, "80", bound), port(80, "81", bound)}},
		"other claims":                    {[]rewrite.Outcome{mount, port(80, "80", bound), mount, port(81, "81", bound)}, []rewrite.Outcome{mount, run(80, 81, "80-81", bound), mount}},
	} {
		if diff := cmp.Diff(test.want, inRuns(test.all), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s: want (-), got (+)\n%s", name, diff)
		}
	}
}
