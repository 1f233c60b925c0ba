package policy_test

import (
	"reflect"
	"testing"

	"github.com/safesock/safesock/policy"
)

func TestEachKindHasItsWords(t *testing.T) {
	type words struct{ subject, effect, infinitive, title, asked, written string }
	for _, test := range []struct {
		claim policy.Claim
		want  words
	}{
		{policy.Port{Container: 80, Protocol: "tcp", Host: "8080"},
			words{"80/tcp", "is published on every interface", "be published on every interface", "port 80/tcp", "*:8080", ""}},
		{policy.Port{Container: 80, Protocol: "tcp", IP: "::1", Host: "8080"},
			words{"80/tcp", "is published on [::1]:8080", "be published on [::1]:8080", "port 80/tcp", "[::1]:8080", ""}},
		{policy.Port{Protocol: "udp", IP: "192.0.2.7", Host: ""},
			words{"a udp port", "is published on a free port of 192.0.2.7", "be published on a free port of 192.0.2.7", "port udp", "192.0.2.7:*", ""}},
		{policy.Port{Container: 49152, Last: 65535, Protocol: "udp", IP: "127.0.0.1", Host: "49152-65535"},
			words{"49152-65535/udp", "is published on 127.0.0.1:49152-65535", "be published on 127.0.0.1:49152-65535", "port 49152-65535/udp", "127.0.0.1:49152-65535", ""}},
		{policy.Network{Mode: "macvlan", Name: "lan"},
			words{"the network lan (macvlan)", "lets other hosts reach its containers without a published port", "be used", "network macvlan", "lan", "lan"}},
		{policy.Network{Mode: "host", Name: "host"},
			words{"the host network", "lets other hosts reach its containers without a published port", "be used", "network host", "host", "host"}},
		{policy.Mount{Source: "/run/docker.sock", Target: "/s", Engine: true},
			words{"/run/docker.sock", "is mounted on /s, and gives access to a container engine", "be mounted on /s", "mount /run/docker.sock", "/s (rw)", "/s"}},
		{policy.Mount{Source: "/srv", ReadOnly: true},
			words{"/srv", "is mounted", "be mounted", "mount /srv", "(ro)", ""}},
		{policy.Privilege{Name: "cap", Value: "NET_ADMIN"},
			words{"cap NET_ADMIN", "is granted, and reaches past the container", "be granted", "privilege cap", "NET_ADMIN", "NET_ADMIN"}},
		{policy.API{}, words{"this call", "was let through", "be made", "the call", "", ""}},
	} {
		got := words{test.claim.Subject(), test.claim.Effect(), test.claim.Infinitive(), test.claim.Title(), test.claim.Asked(), test.claim.Written()}
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%+v:\n got %+v\nwant %+v", test.claim, got, test.want)
		}
	}
}
