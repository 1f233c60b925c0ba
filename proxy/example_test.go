package proxy_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/safesock/safesock"
	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/proxy"
	"github.com/safesock/safesock/rewrite"
)

// An Engine answers on one socket, and safesock serves another in front of it.
// A client publishes a port without an address, as in docker run -p 8080:80.
func Example() {
	dir, err := os.MkdirTemp("", "safesock")
	check(err)
	defer os.RemoveAll(dir)
	server := proxy.Server{
		Upstream: filepath.Join(dir, "engine.sock"),
		Listen:   filepath.Join(dir, "docker.sock"),
		Drain:    time.Second,
	}

	engine, err := net.Listen("unix", server.Upstream)
	check(err)
	defer engine.Close()
	go http.Serve(engine, http.HandlerFunc(func(answer http.ResponseWriter, call *http.Request) {
		body, _ := io.ReadAll(call.Body)
		fmt.Printf("The Engine gets  %s %s\n", call.RequestURI, body)
		answer.WriteHeader(http.StatusCreated)
		fmt.Fprint(answer, `{"Id":"1a2b","Warnings":[]}`)
	}))

	rule := policy.File{Name: "my.hcl", Src: []byte(`
port "stay here" {
  action = "bind"
  to     = ["127.0.0.1"]
}`)}
	rules, err := policy.Parse(rewrite.Names, rule, safesock.Policy)
	check(err)
	server.SetPolicy(rules)
	listener, err := proxy.Listen(server.Listen, 0o600, "")
	check(err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- server.Serve(ctx, listener) }()

	client := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", server.Listen)
	}}}
	const body = `{"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"8080"}]}}}`
	fmt.Println("The client sends /containers/create", body)
	answer, err := client.Post("http://docker/containers/create", "application/json", strings.NewReader(body))
	check(err)
	told, err := io.ReadAll(answer.Body)
	check(err)
	fmt.Printf("The client gets  %s %s\n", answer.Status, told)

	stop() // open exchanges may end; there are none
	check(<-served)
	// Output:
	// The client sends /containers/create {"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"8080"}]}}}
	// The Engine gets  /containers/create {"HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]}}}
	// The client gets  201 Created {"Id":"1a2b","Warnings":["safesock: 80/tcp is published on 127.0.0.1:8080 instead of every interface (port \"stay here\", my.hcl:2); to publish it wider, add a rule"]}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
