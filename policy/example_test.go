package policy_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/safesock/safesock/policy"
)

// names are the words of a small API.
var names = policy.Names{
	Endpoints:  []string{"container.create"},
	Modes:      []string{"host", "macvlan"},
	Privileges: []string{"privileged", "cap"},
}

func Example() {
	p, err := policy.Parse(names, policy.File{Name: "team.hcl", Src: []byte(`
port "databases stay here" {
  when    = port.container == 5432 && port.scope != "loopback"
  action  = "bind"
  to      = ["127.0.0.1"]
  message = "ask ops for a tunnel"
}

port "printers" {
  when   = contains(interface("eth1"), port.ip)
  action = "allow"
}
`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	decider := p.For(&policy.Call{
		Endpoint: "container.create",
		Time:     time.Now(),
		Interface: func(name string) ([]netip.Addr, error) {
			return nil, fmt.Errorf("there is no interface %s", name)
		},
	})
	for _, port := range []policy.Port{
		{Container: 5432, Protocol: "tcp", Host: "5432", Bindable: true},
		{Container: 631, Protocol: "tcp", Host: "631", IP: "192.0.2.7", Bindable: true},
	} {
		decision := decider.Decide(port)
		fmt.Println(port.Title(), port.Asked(), "->", decision.Action, decision.To)
		fmt.Println("  by", decision.Rule)
		fmt.Println("  because:", decision.Message+decision.Reason)
	}
	// Output:
	// port 5432/tcp *:5432 -> bind [127.0.0.1]
	//   by port "databases stay here", team.hcl:2
	//   because: ask ops for a tunnel
	// port 631/tcp 192.0.2.7:631 -> deny []
	//   by port "printers", team.hcl:9
	//   because: team.hcl:10: interface("eth1") failed: there is no interface eth1
}

func ExampleParse() {
	_, err := policy.Parse(names, policy.File{Name: "team.hcl", Src: []byte(`port "public" {
  when   = port.hostip == "0.0.0.0"
  action = "deny"
}
`)})
	fmt.Println(err)
	// Output:
	// Error: Unsupported attribute
	//
	//   on team.hcl line 2, in port "public":
	//    2:   when   = port.hostip == "0.0.0.0"
	//                  ^^^^^^^^^^^
	//
	// This object does not have an attribute named "hostip". Did you mean "ip"?
}

func ExampleParse_local() {
	ci := policy.File{Name: "ci.hcl", Src: []byte(`
locals {
  workspace = "/home/runner/work"
}

mount "the job's folder" {
  when   = startswith(mount.source, "${local.workspace}/")
  action = "allow"
}
`)}
	p, err := policy.Parse(names, ci, policy.File{Name: "--set workspace", Src: []byte("/srv/jobs"), Local: "workspace"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, source := range []string{"/srv/jobs/1", "/home/runner/work/1"} {
		fmt.Println(source, p.Decide(&policy.Call{}, policy.Mount{Source: source}).Action)
	}
	// Output:
	// /srv/jobs/1 allow
	// /home/runner/work/1 deny
}

func ExamplePolicy_Warnings() {
	p, err := policy.Parse(names, policy.File{Name: "team.hcl", Src: []byte(`port "until the move" {
  action  = "allow"
  expires = "2026-06-01T00:00:00Z"
}
`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Warnings(time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)))
	// Output:
	// Warning: Expired rule
	//
	//   on team.hcl line 3, in port "until the move":
	//    3:   expires = "2026-06-01T00:00:00Z"
	//                   ^^^^^^^^^^^^^^^^^^^^^^
	//
	// This rule is skipped. Remove it, or let it expire later.
}
