package rewrite_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/safesock/safesock"
	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite"
)

// emptyWorld has an Engine without objects, and a host without interfaces.
type emptyWorld struct{}

func (emptyWorld) Engine(string) (rewrite.Answer, error) {
	return rewrite.Answer{Status: http.StatusNotFound, Docker: true}, nil
}

func (emptyWorld) Resolve(path string) (string, bool, error) { return path, false, nil }

func (emptyWorld) HasInterface(string) (bool, error) { return false, nil }

func (emptyWorld) Addresses(string) ([]netip.Addr, error) { return nil, nil }

func (emptyWorld) GroupOf(string) (int, error)          { return 0, nil }
func (emptyWorld) HasForeignPorts(string) (bool, error) { return false, nil }
func (emptyWorld) OwnsBuild(string) bool                { return true }

func (emptyWorld) FreePort(string, []netip.Addr, int, int, func(int) bool) (int, error) {
	return 0, errors.New("no port is free")
}

// A port without an address goes to loopback.
func ExampleApply() {
	p, err := policy.Parse(rewrite.Names, safesock.Policy)
	if err != nil {
		fmt.Println(err)
		return
	}
	target := &url.URL{Path: "/v1.51/containers/create"}
	match, err := rewrite.Route("POST", target)
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := rewrite.Apply(p, rewrite.Call{
		Match: match, URL: target, Header: http.Header{},
		Body: []byte(`{"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}}`),
	}, emptyWorld{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range result.Outcomes {
		fmt.Println(o.Claim.Subject(), "at", o.Pointer)
	}
	fmt.Println(string(result.Body))
	// Output:
	// 80/tcp at /HostConfig/PortBindings/80~1tcp/0
	// {"HostConfig": {"PortBindings": {"80/tcp": [{"HostIp":"127.0.0.1","HostPort": "8080"}]}}}
}
