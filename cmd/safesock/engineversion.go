package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/safesock/safesock/rewrite"
)

// dockerAPIs are the API versions of Docker's Engines, by major release. Where minor
// releases differ, it is the first one's.
var dockerAPIs = map[string]string{
	"18": "1.39", "19": "1.40", "20": "1.41", "23": "1.42", "24": "1.43", "25": "1.44", "26": "1.45", "27": "1.46", "28": "1.48", "29": "1.52",
}

// podmanAPI is the version of Docker's API that Podman serves. Podman 5.8 has 1.44,
// for which nothing is decided otherwise.
const podmanAPI = "1.41"

// versionOf returns the answer of an Engine about its version. The name is a version
// of Docker, as in "28.5", or of Podman, as in "podman-5.8".
func versionOf(name string) ([]byte, error) {
	version, isPodman := strings.CutPrefix(name, "podman-")
	release, _, _ := strings.Cut(version, ".")
	component, api := "Engine", dockerAPIs[release]
	if isPodman {
		component, api = "Podman Engine", podmanAPI
	}
	if api == "" || strings.Trim(version, "0123456789.") != "" || release == "" {
		return nil, fmt.Errorf("--engine %s: write a version of Docker from 18 to 29, as in 28.5, or of Podman, as in podman-5.8", name)
	}
	return json.Marshal(map[string]any{
		"Version": version, "ApiVersion": api, "Components": []map[string]string{{"Name": component, "Version": version}},
	})
}

// oldest stands for the answer of an Engine that is unknown. Such an Engine counts as
// one without the firewall and the checks of later Engines.
var oldest = []byte(`{"Version":"0","ApiVersion":"0","Components":[]}`)

// others are Engines that can lead to other decisions than the oldest.
var others = []string{"29", "podman-5"}

// askVersion asks the Engine at a socket for its version. It returns nil if no Engine
// answers.
func askVersion(socket string) []byte {
	client := http.Client{
		Timeout: 2 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "unix", socket)
			},
		},
	}
	answer, err := client.Get("http://docker" + rewrite.Question("version", ""))
	if err != nil {
		return nil
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil || answer.StatusCode != http.StatusOK {
		return nil
	}
	return body
}
