package clients_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/safesock/safesock/clients"
)

func TestStandardInputIsOneOfSeveralFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "more.yaml")
	if err := os.WriteFile(file, []byte("services: {web: {ports: ['81:81']}}"), 0o644); err != nil {
		t.Fatal(err)
	}
	files := clients.Compose{Files: []string{"-", file}, Project: "shop", Stdin: strings.NewReader("services: {web: {image: web, ports: ['80:80']}}")}
	project, err := files.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var published []string
	for _, port := range project.Services["web"].Ports {
		published = append(published, port.Published)
	}
	if want := []string{"80", "81"}; !slices.Equal(published, want) {
		t.Errorf("got %q, want %q", published, want)
	}
	if diff := cmp.Diff([]string{"-", file}, project.ComposeFiles); diff != "" {
		t.Error(diff)
	}
}

func TestEachValueHasTheLineThatItIsMadeFrom(t *testing.T) {
	dir := t.TempDir()
	base, over := filepath.Join(dir, "compose.yaml"), filepath.Join(dir, "over.yaml")
	for name, text := range map[string]string{
		base: `services:
  web:
    image: web
    working_dir: /w
    ports:
      - "8000-8001:80-81"
      - {target: 82, published: "82", protocol: udp, host_ip: 192.0.2.7}
    cap_add:
      - NET_ADMIN
    sysctls:
      a.b: "1"
      c.d: "1"
    devices:
      - /dev/a:/dev/b
      - /dev/c
    security_opt:
      - seccomp:unconfined
    volumes:
      - /a:/x
      - /b:/y:ro
    networks:
      - one
      - two
networks: {one: {}, two: {}}
`,
		over: `services:
  web:
    ports:
      - 90:90
    privileged: true
`,
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	files := clients.Compose{Files: []string{base, over}, Project: "shop"}
	project, err := files.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	calls, _ := clients.Up(project)
	create := calls[len(calls)-1]
	got := map[string]string{}
	want := map[string]string{
		"/HostConfig/PortBindings/80~1tcp/0":             "compose.yaml:6",
		"/HostConfig/PortBindings/81~1tcp/0":             "compose.yaml:6",
		"/HostConfig/PortBindings/82~1udp/0":             "compose.yaml:7",
		"/HostConfig/PortBindings/90~1tcp/0":             "over.yaml:4",
		"/HostConfig/PortBindings/99~1tcp/0":             "over.yaml:3", // not in a file: the key
		"/HostConfig/Privileged":                         "over.yaml:5",
		"/HostConfig/CapAdd/0":                           "compose.yaml:9",
		"/HostConfig/Sysctls/c.d":                        "compose.yaml:12",
		"/HostConfig/Devices/0":                          "compose.yaml:14",
		"/HostConfig/Devices/1/PathOnHost":               "compose.yaml:15",
		"/HostConfig/SecurityOpt/0":                      "compose.yaml:17",
		"/HostConfig/Binds/0":                            "compose.yaml:19",
		"/HostConfig/Binds/1":                            "compose.yaml:20",
		"/HostConfig/NetworkMode":                        "compose.yaml:22",
		"/NetworkingConfig/EndpointsConfig/shop_two":     "compose.yaml:23",
		"/NetworkingConfig/EndpointsConfig/shop_two/Any": "compose.yaml:23",
		"/WorkingDir":                                    "compose.yaml:4",
		"/HostConfig/Later":                              "over.yaml:2", // no key is known: the service
		"":                                               "over.yaml:2",
	}
	for pointer := range want {
		if found := create.Position(pointer); found != nil {
			got[pointer] = found.String()
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
