package proxy

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestLargeBodiesAreDecidedOneAtATimeAndHoldUpNoOthers(t *testing.T) {
	asked, goOn := make(chan string, 2), make(chan bool)
	w := newWorld(t, func(e *peerEnd) {
		in := bufio.NewReader(e)
		for {
			request, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, request.Body); err != nil {
				return
			}
			if request.Method == http.MethodGet {
				asked <- request.URL.Path
				<-goOn
				e.send(answer("404 Not Found", `{"message":"no such network"}`))
			} else {
				e.send(noContent)
			}
		}
	})
	large := create(`{"HostConfig":{"NetworkMode":"shop"},"Labels":{"x":"` + strings.Repeat("x", largeBody) + `"}}`)
	first, second, small := w.dial(), w.dial(), w.dial()
	first.send(large)
	<-asked
	second.send(large)
	small.send(create("{}"))
	small.expect(noContent)
	if len(asked) > 0 {
		t.Error("two large bodies were decided at a time")
	}
	goOn <- true
	first.expect(noContent)
	<-asked
	goOn <- true
	second.expect(noContent)
}

func TestARunOfPortsIsOneEntryOfTheLog(t *testing.T) {
	w := newWorld(t, func(e *peerEnd) {
		e.expect(create(`{"HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1"}],"81/tcp":[{"HostIp":"127.0.0.1"}],"90/tcp":[{"HostIp":"127.0.0.1"}]}}}`))
		e.send(noContent)
	})
	c := w.dial()
	c.send(create(`{"HostConfig":{"PortBindings":{"80/tcp":[{}],"81/tcp":[{}],"90/tcp":[{}]}}}`))
	c.expect(noContent)
	var record struct{ Claims json.RawMessage }
	first, _, _ := strings.Cut(w.auditLog(), "\n")
	decode(t, first, &record)
	got := line.ReplaceAllString(string(record.Claims), "built-in:LINE")
	want := `[{"kind":"port","claim":{"container":80,"last":81,"protocol":"tcp","host":"","ip":"","bindable":true},"count":2,` +
		`"pointer":"/HostConfig/PortBindings/80~1tcp/0","before":{},"after":{"HostIp":"127.0.0.1"},"action":"bind","rule":"port \"unset goes to loopback\", built-in:LINE"},` +
		`{"kind":"port","claim":{"container":90,"protocol":"tcp","host":"","ip":"","bindable":true},` +
		`"pointer":"/HostConfig/PortBindings/90~1tcp/0","before":{},"after":{"HostIp":"127.0.0.1"},"action":"bind","rule":"port \"unset goes to loopback\", built-in:LINE"}]`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
