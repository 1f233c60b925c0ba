package main

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestEngineIsFoundAndNeverSafesockItself(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"docker.sock", "podman.sock"} {
		listener, err := net.Listen("unix", at(name))
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
	}
	if err := os.Mkdir(at("own"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{
		"direct.sock":   "own/safesock.sock",
		"indirect.sock": "direct.sock",
		"folder":        "own",
		"loop.sock":     "loop.sock",
		"var.sock":      "docker.sock",
	} {
		if err := os.Symlink(target, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	own := at("own/safesock.sock")
	usual := []string{at("none.sock"), at("docker.sock"), at("podman.sock")}

	for _, test := range []struct {
		name       string
		flag, host string
		usual      []string
		own        string
		want       engine
		err        string
	}{
		{name: "the flag", flag: "unix://" + at("podman.sock"), host: "unix://" + at("docker.sock"), want: engine{at("podman.sock"), "--upstream"}},
		{name: "the flag, a path", flag: at("podman.sock"), want: engine{at("podman.sock"), "--upstream"}},
		{name: "the flag, an Engine that is down", flag: at("later.sock"), want: engine{at("later.sock"), "--upstream"}},
		{name: "the flag, safesock itself", flag: at("folder/safesock.sock"), err: "--upstream " + at("folder/safesock.sock") + ": this is the socket that safesock itself listens on"},
		{name: "DOCKER_HOST", host: "unix://" + at("podman.sock"), want: engine{at("podman.sock"), "DOCKER_HOST"}},
		{name: "DOCKER_HOST, safesock itself", host: "unix://" + own, want: engine{at("docker.sock"), "found"}},
		{name: "DOCKER_HOST, a link to safesock", host: "unix://" + at("direct.sock"), want: engine{at("docker.sock"), "found"}},
		{name: "DOCKER_HOST, a link to a link to safesock", host: "unix://" + at("indirect.sock"), want: engine{at("docker.sock"), "found"}},
		{name: "DOCKER_HOST, safesock in a linked folder", host: "unix://" + at("folder/safesock.sock"), want: engine{at("docker.sock"), "found"}},
		{name: "DOCKER_HOST, a loop", host: "unix://" + at("loop.sock"), want: engine{at("loop.sock"), "DOCKER_HOST"}},
		{name: "DOCKER_HOST, another machine", host: "tcp://10.0.0.1:2375", err: "DOCKER_HOST=tcp://10.0.0.1:2375: safesock guards an Engine on a Unix socket of this machine, not one behind tcp; name it with --upstream unix:///PATH"},
		{name: "the first usual place that is there", want: engine{at("docker.sock"), "found"}},
		{name: "a usual place that is safesock's", own: at("docker.sock"), want: engine{at("podman.sock"), "found"}},
		{name: "a usual place that leads to safesock's", usual: []string{at("var.sock"), at("podman.sock")}, own: at("docker.sock"), want: engine{at("podman.sock"), "found"}},
		{name: "no usual place is there", usual: []string{at("none.sock")}, want: engine{at("none.sock"), "awaited"}},
		{name: "no place but safesock's own", usual: []string{own}, err: "no Engine's socket found: name it with --upstream unix:///PATH"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.usual == nil {
				test.usual = usual
			}
			if test.own == "" {
				test.own = own
			}
			got, err := findEngine(test.flag, test.host, test.usual, test.own)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if got != test.want || text != test.err {
				t.Errorf("got %+v, %q; want %+v, %q", got, text, test.want, test.err)
			}
		})
	}
}
