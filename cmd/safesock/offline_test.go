package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/safesock/safesock"
	"github.com/safesock/safesock/clients"
	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/proxy"
	"github.com/safesock/safesock/rewrite"
)

// told is what a client and the audit log learn about a call.
type told struct {
	Refusal string // status and message, "" if the call was forwarded
	Target  string
	Body    string
	Claims  []string
}

// known are the answers of these tests' Engine, by path.
var known = map[string]string{
	"/version":          `{"Version":"28.5.2","ApiVersion":"1.51","Components":[]}`,
	"/images/web/json":  `{"Id":"sha256:77","Config":{"ExposedPorts":{"80/tcp":{}}}}`,
	"/networks/shop":    `{"Name":"shop","Id":"abc","Driver":"bridge","Options":{}}`,
	"/networks/abc":     `{"Name":"shop","Id":"abc","Driver":"bridge","Options":{}}`,
	"/volumes/database": `{"Name":"database","Driver":"local","Options":{"type":"none","o":"bind","device":"/srv"}}`,
}

func TestServeAndExplainDecideAlike(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sockets, err := os.MkdirTemp("", "safesock") // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(sockets)
	upstream, listen := sockets+"/engine.sock", sockets+"/own.sock"
	serve := serving(t, upstream, listen)
	for link, target := range map[string]string{"link": "/srv", "engine": upstream, "loop": "loop", "root": "/proc/self/root"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(upstream, sockets+"/hard.sock"); err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{
		"a port without address":      "-p 8080:80",
		"a port with an address":      "-p 192.0.2.7:8080:80",
		"every port of an image":      "-P",
		"a network":                   "--network shop -p 80",
		"a network that is not there": "--network other -p 80",
		"the host's network":          "--network host",
		"a volume":                    "-v database:/data",
		"a privilege":                 "--privileged --cap-add NET_ADMIN",
		"the root of a process":       "-v /proc/self/root/srv:/x",
		"a link to that":              "-v " + dir + "/root/srv:/x",
		"a link":                      "-v " + dir + "/link/deeper:/x",
		"a path that is not there":    "-v /nowhere/else:/x",
		"a loop":                      "-v " + dir + "/loop:/x",
		"a name that is too long":     "-v /" + strings.Repeat("x", 256) + ":/x",
		"the Engine's socket":         "-v " + upstream + ":/x",
		"its folder":                  "-v " + sockets + ":/x",
		"a link to the socket":        "-v " + dir + "/engine:/x",
		"a hard link to the socket":   "-v " + sockets + "/hard.sock:/x",
		"the socket through a root":   "-v /proc/self/root" + upstream + ":/x",
	}
	calls := map[string]clients.Call{}
	for name, line := range lines {
		parsed, err := clients.ParseLine(append(append([]string{"docker", "run"}, strings.Fields(line)...), "web"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		calls[name], err = parsed.Run()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 { // each bridge of a rootless Engine counts as there
		interfaces = append(interfaces, net.Interface{Name: "nowhere0"})
	}
	for _, each := range interfaces { // with addresses, and without
		calls["the bridge "+each.Name] = clients.ParseCall([]byte("POST /networks/create\n" +
			`{"Name":"n","Options":{"com.docker.network.bridge.name":"` + each.Name + `"}}`))
	}
	loaded, err := policy.Parse(rewrite.Names, safesock.Policy)
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(serve(t, call), explained(t, loaded, call, upstream, listen)); diff != "" {
				t.Errorf("serve (-) and explain (+):\n%s", diff)
			}
		})
	}
}

// explained decides a call as explain does.
func explained(t *testing.T, p *policy.Policy, call clients.Call, upstream, listen string) told {
	t.Helper()
	client, err := clientNamed("")
	if err != nil {
		t.Fatal(err)
	}
	world := &offline{
		machine: &thisHost{engine: upstream}, engine: map[string][]byte{}, client: client, time: time.Now(),
		upstream: upstream, listen: listen,
	}
	for path, text := range known {
		world.engine[path] = []byte(text)
	}
	made, err := world.apply(p, call)
	if err != nil {
		t.Fatal(err)
	}
	got := told{Target: made.result.Target, Body: string(made.result.Body)}
	if made.refusal != nil {
		got = told{Refusal: fmt.Sprint(made.refusal.Status, " ", made.refusal.Message)}
	}
	for _, outcome := range made.result.Outcomes {
		claim, err := json.Marshal(outcome.Claim)
		if err != nil {
			t.Fatal(err)
		}
		got.Claims = append(got.Claims, fmt.Sprintf("%s %s %s %s (%s)", outcome.Claim.Kind(), claim, outcome.Pointer, outcome.Decision.Action, outcome.Decision.Rule))
	}
	return got
}

// serving runs a server in front of an Engine. It returns a func that makes a call and
// returns what was decided.
func serving(t *testing.T, upstream, listen string) func(*testing.T, clients.Call) told {
	t.Helper()
	forwarded, info := make(chan told, 1), ""
	engine := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "Docker/28.5.2 (linux)")
		w.Header().Set("Content-Type", "application/json")
		text, ok := known[r.URL.Path]
		switch {
		case r.Method == http.MethodPost:
			body, _ := io.ReadAll(r.Body)
			forwarded <- told{Target: r.RequestURI, Body: string(body)}
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"Id":"0123456789ab","Warnings":[]}`)
		case ok:
			fmt.Fprint(w, text)
		case r.URL.Path == "/info":
			fmt.Fprint(w, info)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"message":"not known here"}`)
		}
	})}
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := exec.Command("uname", "-r").Output()
	if err != nil {
		t.Fatal(err)
	}
	info = fmt.Sprintf(`{"Name":%q,"KernelVersion":%q}`, hostname, strings.TrimSpace(string(kernel)))
	behind, err := net.Listen("unix", upstream)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = engine.Serve(behind) }()
	t.Cleanup(func() { engine.Close() })

	loaded, err := policy.Parse(rewrite.Names, safesock.Policy)
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "audit.log")
	audit, err := proxy.OpenAudit(log)
	if err != nil {
		t.Fatal(err)
	}
	server := proxy.Server{Upstream: upstream, Listen: listen, Audit: audit, Log: slog.New(slog.DiscardHandler)}
	server.SetPolicy(loaded)
	listener, err := net.Listen("unix", listen)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	client := http.Client{Transport: &http.Transport{
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", listen) },
		DisableKeepAlives: true,
	}}
	return func(t *testing.T, call clients.Call) told {
		t.Helper()
		if err := os.Truncate(log, 0); err != nil {
			t.Fatal(err)
		}
		request, err := http.NewRequest(call.Method, "http://docker"+call.Target, bytes.NewReader(call.Body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var answered struct{ Message string }
		if err := json.NewDecoder(answer.Body).Decode(&answered); err != nil {
			t.Fatal(err)
		}
		var got told
		if answer.StatusCode == http.StatusCreated {
			got = <-forwarded
		} else {
			got.Refusal = fmt.Sprint(answer.StatusCode, " ", answered.Message)
		}
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := bytes.Cut(text, []byte("\n"))
		var record struct {
			Claims []struct {
				Kind, Pointer, Action, Rule string
				Claim                       json.RawMessage
			}
		}
		if err := json.Unmarshal(first, &record); err != nil {
			t.Fatal(err)
		}
		for _, each := range record.Claims {
			got.Claims = append(got.Claims, fmt.Sprintf("%s %s %s %s (%s)", each.Kind, each.Claim, each.Pointer, each.Action, each.Rule))
		}
		return got
	}
}
