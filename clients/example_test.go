package clients_test

import (
	"context"
	"fmt"

	"github.com/safesock/safesock/clients"
)

func ExampleLine_Run() {
	line, err := clients.ParseLine([]string{"docker", "run", "-p", "8080:80", "--name", "web", "nginx"})
	if err != nil {
		panic(err)
	}
	call, err := line.Run()
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s %s\n%s\n", call.Method, call.Target, call.Body)
	// Output:
	// POST /containers/create?name=web
	// {"Image":"nginx","ExposedPorts":{"80/tcp":{}},"HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]}}}
}

func ExampleUp() {
	files := clients.Compose{Project: "shop", Text: `
services:
  web:
    image: nginx
    privileged: true
`}
	project, err := files.Load(context.Background())
	if err != nil {
		panic(err)
	}
	calls, _ := clients.Up(project)
	for _, call := range calls {
		fmt.Println(call.Service, call.Method, call.Target)
	}
	// Output:
	// POST /networks/create
	// web POST /containers/create?name=shop-web-1
}
