//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/safesock/safesock/tests/e2e/lab"
)

// firewall are the rules of SECURITY.md for Engines before 28.
var firewall = []string{
	"iptables -t raw -I PREROUTING ! -i lo -d 127.0.0.0/8 -j DROP",
	"iptables -t raw -I PREROUTING -i lan0 -d 172.16.0.0/12 -j DROP",
}

// A neighbour that writes loopback's or the container's address on its packets
// gets through the firewall of Engines before 28, and not with these rules.
func TestTheFirewallRulesKeepPortsOnLoopbackLocal(t *testing.T) {
	everyEngine(t, func(t *testing.T, l *lab.Lab) {
		if l.Kind.Podman() {
			return // it has no such rules of its own, and none are promised for it
		}
		l.RouteToContainers(t)
		for _, line := range []string{
			"ip -n neighbour addr del 127.0.0.1/8 dev lo",
			"ip -n neighbour route add 127.0.0.0/8 via " + lab.MachineIP,
			"nsenter --net=/run/netns/neighbour sysctl -q net.ipv4.conf.all.route_localnet=1",
		} {
			shell(t, l, line)
		}
		l.Serve(t)
		l.DockerAt(t, lab.SafesockSocket, "run", "-d", "--name", "web", "-p", "21000:80", "web:1")
		lab.Until(t, "web answers", func() error { _, err := l.ReachLocally("127.0.0.1:21000/tcp"); return err })
		inside := l.Docker(t, "inspect", "--format", "{{.NetworkSettings.IPAddress}}", "web")

		old := strings.HasPrefix(l.Kind.Name, "20.") || strings.HasPrefix(l.Kind.Name, "26.")
		ways := []string{"127.0.0.1:21000/tcp", inside + ":80/tcp"}
		for _, way := range ways {
			if _, err := l.Reach(way); (err == nil) != old {
				t.Errorf("without the rules, the neighbour asks %s: got %v", way, err)
			}
		}
		for _, rule := range firewall {
			shell(t, l, rule)
		}
		for _, way := range ways {
			if answer, err := l.Reach(way); err == nil {
				t.Errorf("with the rules, the neighbour asks %s: got %q", way, answer)
			}
		}
		if _, err := l.ReachLocally("127.0.0.1:21000/tcp"); err != nil {
			t.Errorf("with the rules, the host itself: %v", err)
		}
	})
}

func shell(t *testing.T, l *lab.Lab, line string) {
	t.Helper()
	if out, err := l.Command("", strings.Fields(line)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}
