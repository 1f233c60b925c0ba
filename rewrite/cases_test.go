package rewrite

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/diff"
	"golang.org/x/tools/txtar"

	"github.com/safesock/safesock/policy"
)

var update = flag.Bool("update", false, "write what came of the cases into their want sections")

// A case file holds sections for one or more calls. What a section says is
// true for all calls behind it.
//
//	-- policy --                    rules before the built-in ones
//	-- engine GET /images/web/json -- what the Engine answers, 404 without it; a first line "status N" is its status
//	-- path /var/run --             where a path leads, to itself without it; "missing" if it does not exist, "error …" if it cannot be looked at, "elsewhere …" if none can be
//	-- group /run/docker.sock --    the number of the file's group; without it, nobody can tell
//	-- interface br0 --             the host has this network interface
//	-- bridge br0 --                this bridge has ports that are no container's
//	-- port tcp 127.0.0.1 ::1 --    the answer to a question about a free port
//	-- call: what it is --          method and target, header lines, the body
//	-- want --                      what comes of the call
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runCases(t, file) })
	}
}

func runCases(t *testing.T, file string) {
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	archive := txtar.Parse(src)
	world := newWorld()
	var sections []txtar.File
	for i := 0; i < len(archive.Files); i++ {
		section := archive.Files[i]
		sections = append(sections, section)
		title, isCall := strings.CutPrefix(section.Name, "call")
		if !isCall {
			world.learn(t, section.Name, string(section.Data))
			continue
		}
		title = strings.TrimSpace(strings.TrimPrefix(title, ":"))
		got := world.result(t, title, string(section.Data))
		var want string
		if i+1 < len(archive.Files) && archive.Files[i+1].Name == "want" {
			i++
			want = string(archive.Files[i].Data)
		}
		sections = append(sections, txtar.File{Name: "want", Data: []byte(got)})
		if got != want && !*update {
			t.Errorf("%s: %s\n%s", file, title, diff.Diff("want", []byte(want), "got", []byte(got)))
		}
	}
	if *update {
		archive.Files = sections
		if written := txtar.Format(archive); !bytes.Equal(written, src) {
			if err := os.WriteFile(file, written, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// caseCall is the call of a section.
func caseCall(t testing.TB, text string) Call {
	t.Helper()
	line, rest, _ := strings.Cut(text, "\n")
	method, target, _ := strings.Cut(line, " ")
	c := testCall(t, method, target, nil)
	for {
		line, behind, _ := strings.Cut(rest, "\n")
		name, value, found := strings.Cut(line, ": ")
		if !found || strings.ContainsAny(name, `{}"`) {
			break
		}
		c.Header.Add(name, value)
		rest = behind
	}
	body := strings.TrimSuffix(rest, "\n")
	if strings.HasPrefix(body, `"`) { // a Go string, for what a text file cannot hold
		unquoted, err := strconv.Unquote(body)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		body = unquoted
	}
	switch {
	case c.Endpoint != nil && c.Endpoint.Traits&GRPC != 0 && strings.HasPrefix(body, "{"):
		c.Body = grpcBody(t, c.Path, body)
	case body != "":
		c.Body = []byte(body)
	}
	return c
}

func testCall(t testing.TB, method, target string, body []byte) Call {
	t.Helper()
	u, err := url.ParseRequestURI(target)
	if err != nil {
		t.Fatal(err)
	}
	match, err := Route(method, u)
	if err != nil {
		t.Fatal(err)
	}
	return Call{
		Match: match, URL: u, Header: http.Header{}, Body: body,
		Client:   policy.Client{UID: 1000, GID: 1000, PID: 4242, User: policy.Found("ann"), Groups: policy.Found([]string{"ann", "docker"}), Command: policy.Found("docker")},
		Time:     time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC),
		Upstream: "/run/docker.sock",
		Listen:   "/run/safesock/docker.sock",
	}
}

// builtinLine is where a rule of the built-in policy stands, which no case is
// about.
var builtinLine = regexp.MustCompile(`\bbuilt-in:\d+`)

func (w *world) result(t *testing.T, title, text string) string {
	t.Helper()
	c := caseCall(t, text)
	r, err := w.apply(t, w.parse(t), c)
	var out strings.Builder
	for _, o := range r.Outcomes {
		out.WriteString(outcomeLine(o) + "\n")
	}
	if err != nil {
		refusal := err.(*Refusal)
		fmt.Fprintf(&out, "refused %d: %s\n", refusal.Status, refusal.Message)
		return builtinLine.ReplaceAllString(out.String(), "built-in:…")
	}
	for _, o := range r.Outcomes {
		if w := o.Warning(); w != "" {
			fmt.Fprintf(&out, "warning: %s\n", w)
		}
	}
	if r.Target != c.URL.RequestURI() {
		fmt.Fprintf(&out, "target: %s\n", r.Target)
	}
	if !bytes.Equal(r.Body, c.Body) && c.Endpoint.Traits&GRPC != 0 {
		fmt.Fprintf(&out, "message: %s\n", grpcText(t, c.Path, r.Body))
	} else if !bytes.Equal(r.Body, c.Body) {
		if !json.Valid(r.Body) {
			t.Errorf("%s: the body is no JSON any more: %s", title, r.Body)
		}
		if len(r.Body) < 400 {
			fmt.Fprintf(&out, "body: %s\n", r.Body)
		} else {
			out.WriteString(bodyDiff(c.Body, r.Body))
		}
	} else if len(c.Body) > 0 && &r.Body[0] != &c.Body[0] {
		t.Errorf("%s: nothing changed, but the body was copied", title)
	}
	if out.Len() == 0 {
		return "nothing\n"
	}
	return builtinLine.ReplaceAllString(out.String(), "built-in:…")
}

// outcomeLine is an outcome as the cases write it.
func outcomeLine(o Outcome) string {
	var what string
	switch claim := o.Claim.(type) {
	case policy.Port:
		what = fmt.Sprintf("%s/%s %s:%s", claim.Numbers(), claim.Protocol, claim.IP, claim.Host)
		if !claim.Bindable {
			what += " (no place for an address)"
		}
	case policy.Network:
		what = strings.TrimSpace(claim.Mode + " " + claim.Name)
	case policy.Mount:
		what = claim.Source + " on " + claim.Target
		if claim.ReadOnly {
			what += " ro"
		}
		if claim.Socket {
			what += " (the socket)"
		} else if claim.Engine {
			what += " (an engine)"
		}
	case policy.Privilege:
		what = strings.TrimSpace(claim.Name + " " + claim.Value)
	case policy.API:
		what = "call"
	}
	action := o.Decision.Action.String()
	for i, to := range o.Decision.To {
		if i > 0 {
			action += " and"
		}
		action += " " + to.String()
	}
	if o.Count > 1 {
		what += fmt.Sprintf(" ×%d", o.Count)
	}
	line := fmt.Sprintf("%s %s %s (%s)", o.Claim.Kind(), what, action, o.Decision.Rule)
	if o.Pointer != "" {
		line += " at " + o.Pointer
	}
	if o.Before != o.After {
		line += ": " + o.Before + " → " + cmp.Or(o.After, "nothing")
	}
	return line
}

// bodyDiff shows what is different in two long bodies.
func bodyDiff(before, after []byte) string {
	lines := func(body []byte) []byte {
		return []byte(strings.NewReplacer(",", ",\n", "{", "{\n", "}", "\n}").Replace(string(body)) + "\n")
	}
	_, hunks, _ := strings.Cut(string(diff.Diff("", lines(before), "", lines(after))), "\n@@")
	var out strings.Builder
	for _, line := range strings.SplitAfter(hunks, "\n") {
		if strings.HasPrefix(line, "-") || strings.HasPrefix(line, "+") {
			out.WriteString("body " + line)
		}
	}
	return out.String()
}
