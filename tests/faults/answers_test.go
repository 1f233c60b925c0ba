package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

const containerID = "4c01db0b339c5e3f1b5a0f6f9f3c1a7d8e2b6c4d5a9f8e7c6b5a4d3e2f1c0b9a"

// objects are what the Engine knows.
var objects = map[string]string{
	"/containers/": `{"Id":"` + containerID + `","Name":"/web","State":{"Status":"created"},"Config":{"Image":"web:1"},"HostConfig":{"NetworkMode":"bridge"},"Mounts":[],"NetworkSettings":{"Networks":{"bridge":{}}}}`,
	"/images/":     `{"Id":"sha256:` + containerID + `","Config":{"ExposedPorts":{"80/tcp":{}}}}`,
	"/exec/":       `{"ID":"0a","ContainerID":"` + containerID + `","ProcessConfig":{}}`,
	"/networks/":   `{"Id":"` + containerID + `","Name":"lan","Driver":"bridge"}`,
	"/version":     `{"Version":"28.5.2","ApiVersion":"1.51","Components":[{"Name":"Engine"}]}`,
	"/info":        `{"DefaultRuntime":"runc"}`,
}

func lookedUp(path string) string {
	for prefix, object := range objects {
		if strings.HasPrefix(path, prefix) {
			return answer(200, object)
		}
	}
	return answer(404, `{"message":"no such object"}`)
}

func answer(status int, body string) string {
	return fmt.Sprintf("HTTP/1.1 %d %s\r\nServer: Docker/28.5.2 (linux)\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, http.StatusText(status), len(body), body)
}

// ownAnswer is an answer of safesock's own.
func ownAnswer(status int, words string, last bool) string {
	body, err := json.Marshal(map[string]string{"message": words})
	if err != nil {
		panic(err) // a string can always be encoded
	}
	closing := ""
	if last {
		closing = "Connection: close\r\n"
	}
	return fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s\n", status, http.StatusText(status), len(body)+1, closing, body)
}

// headOf is an answer as HEAD gets it.
func headOf(answer string) string {
	head, _, _ := strings.Cut(answer, "\r\n\r\n")
	return head + "\r\n\r\n"
}
