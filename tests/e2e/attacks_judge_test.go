//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/safesock/safesock/tests/e2e/lab"
)

// judges tell whether a part of an attack's success has come about. They ask
// the kernel, the neighbour and the Engine.
var judges = map[string]func(r *replay, t *testing.T, args []string) bool{
	"open":      open,
	"listens":   listensOutside,
	"reach":     reaches,
	"local":     reachesLocally,
	"engine":    engineHas,
	"same":      sameFile,
	"namespace": sharesNamespace,
	"capable":   capable,
	"status":    status,
	"started":   started,
	"file":      func(r *replay, _ *testing.T, args []string) bool { return r.lab.Exists(args[0]) },
	"gone":      func(r *replay, _ *testing.T, args []string) bool { return !r.lab.Exists(args[0]) },
	"cgroup":    func(_ *replay, _ *testing.T, args []string) bool { return lab.InCgroup(args[0]) },
	"got":       got,
}

func (r *replay) judge(t *testing.T, line string) bool {
	t.Helper()
	words := strings.Fields(r.expand(t, line))
	judge, ok := judges[words[0]]
	if !ok {
		t.Fatalf("success: there is no judge %q", words[0])
	}
	return judge(r, t, words[1:])
}

// succeeded gives an error unless the whole attack has.
func (r *replay) succeeded(t *testing.T) error {
	for _, line := range r.attack.success {
		if err := r.holds(t, line); err != nil {
			return err
		}
	}
	return nil
}

func (r *replay) holds(t *testing.T, line string) error {
	if !r.judge(t, line) {
		return fmt.Errorf("it does not hold: %s", line)
	}
	return nil
}

// outside are the sockets that listen for other hosts, and did not before.
func (r *replay) outside(t *testing.T) []string {
	var found []string
	for _, socket := range r.lab.Listening(t) {
		address, _, _ := strings.Cut(socket, "/")
		host, _, _ := net.SplitHostPort(address)
		host, _, _ = strings.Cut(host, "%")
		if ip := net.ParseIP(host); (ip == nil || !ip.IsLoopback()) && !slices.Contains(r.before, socket) {
			found = append(found, socket)
		}
	}
	return found
}

// listensOutside is "listens PORT", of any protocol: a socket listens outside of loopback.
func listensOutside(r *replay, t *testing.T, args []string) bool {
	return slices.ContainsFunc(r.outside(t), func(socket string) bool {
		address, _, _ := strings.Cut(socket, "/")
		_, port, _ := net.SplitHostPort(address)
		return port == args[0]
	})
}

// open is "open PORT[/udp]": a socket listens outside of loopback, and the
// neighbour gets an answer there. Without a port it is any socket that did not
// listen before.
func open(r *replay, t *testing.T, args []string) bool {
	for _, socket := range r.outside(t) {
		address, protocol, _ := strings.Cut(socket, "/")
		host, port, _ := net.SplitHostPort(address)
		if len(args) > 0 && port+"/"+protocol != args[0] && port != args[0] {
			continue
		}
		if r.guard != "" {
			return true // safesock let it listen: who reaches it is no question
		}
		to := lab.MachineIP
		if host == "::" {
			to = lab.MachineIP6
		}
		if host != "*" && host != "::" && host != "0.0.0.0" {
			to = host
		}
		if _, err := r.lab.Reach(net.JoinHostPort(to, port) + "/" + protocol); err == nil {
			return true
		}
	}
	if r.guard == "" || len(args) == 0 {
		return false
	}
	port, protocol, found := strings.Cut(args[0], "/")
	if !found {
		protocol = "tcp"
	}
	_, err := r.lab.Reach(net.JoinHostPort(lab.MachineIP, port) + "/" + protocol)
	return err == nil && protocol == "tcp"
}

// reaches is "reach ADDRESS:PORT/PROTOCOL": the neighbour gets an answer.
func reaches(r *replay, _ *testing.T, args []string) bool {
	_, err := r.lab.Reach(args[0])
	return err == nil
}

// reachesLocally is "local ADDRESS:PORT/PROTOCOL": the host itself gets an answer.
func reachesLocally(r *replay, _ *testing.T, args []string) bool {
	_, err := r.lab.ReachLocally(args[0])
	return err == nil
}

// engineHas is "engine PATH": the Engine has an object there; "engine PATH
// FIELD TEXT": with such a field.
func engineHas(r *replay, _ *testing.T, args []string) bool {
	if len(args) < 3 {
		return r.engineJSON(args[0]) != nil
	}
	return r.engineText(args[0], args[1]) == strings.Join(args[2:], " ")
}

// pid is of a running container's first process, 0 if it does not run.
func (r *replay) pid(container string) int {
	f := r.engineText("/containers/"+container+"/json", "State.Pid")
	pid, _ := strconv.ParseFloat(f, 64)
	return int(pid)
}

// sameFile is "same CONTAINER PATH HOSTPATH": the container has that very file of the host.
func sameFile(r *replay, _ *testing.T, args []string) bool {
	pid := r.pid(args[0])
	return pid != 0 && r.lab.SameFile(pid, args[1], args[2])
}

// sharesNamespace is "namespace CONTAINER KIND": it is the host's.
func sharesNamespace(r *replay, _ *testing.T, args []string) bool {
	pid := r.pid(args[0])
	return pid != 0 && r.lab.SharesNamespace(pid, args[1])
}

// capable is "capable CONTAINER NUMBER": its first process has that capability.
func capable(r *replay, t *testing.T, args []string) bool {
	capability, err := strconv.ParseUint(args[1], 10, 8)
	if err != nil {
		t.Fatal(err)
	}
	pid := r.pid(args[0])
	return pid != 0 && r.lab.Capable(pid, uint(capability))
}

// status is "status CONTAINER FIELD TEXT": /proc/PID/status has it.
func status(r *replay, _ *testing.T, args []string) bool {
	pid := r.pid(args[0])
	return pid != 0 && r.lab.Status(pid, args[1]) == args[2]
}

// started is "started CONTAINER": the Engine has started it, or has tried to
// and the kernel of this host would not.
func started(r *replay, _ *testing.T, args []string) bool {
	path := "/containers/" + args[0] + "/json"
	return r.engineText(path, "State.Running") == "true" || r.engineText(path, "State.Error") != ""
}

// got is "got TEXT": the client has been sent it.
func got(r *replay, _ *testing.T, args []string) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return slices.ContainsFunc(r.answers, func(answer string) bool { return strings.Contains(answer, strings.Join(args, " ")) })
}
