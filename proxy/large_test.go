package proxy

import (
	"encoding/json"
	"strings"
	"testing"
)

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
