package rewrite

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/diff"
	"golang.org/x/tools/txtar"

	"github.com/safesock/safesock"
	"github.com/safesock/safesock/policy"
)

var update = flag.Bool("update", false, "write what came of the cases into their want sections")

// A case file holds sections for one or more calls. What a section says is
// true for all calls behind it.
//
//	-- policy --                    rules before the built-in ones
//	-- engine GET /images/web/json -- what the Engine answers, 404 without it; a first line "status N" is its status
//	-- path /var/run --             where a path leads, to itself without it
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
	world := world{answers: map[Question]Answer{}}
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

// world is what a case file says about everything besides the call.
type world struct {
	policy  string
	answers map[Question]Answer
}

func (w *world) learn(t *testing.T, name, text string) {
	t.Helper()
	what, rest, _ := strings.Cut(name, " ")
	line := strings.TrimSpace(text)
	switch what {
	case "policy":
		w.policy = text
	case "engine":
		path := strings.TrimPrefix(rest, "GET ")
		a := Answer{Status: http.StatusOK, Body: whole(path, text)}
		if first, body, _ := strings.Cut(text, "\n"); strings.HasPrefix(first, "status ") {
			a.Status, _ = strconv.Atoi(strings.TrimPrefix(first, "status "))
			a.Body = []byte(body)
		}
		w.answers[Question{AboutEngine, path}] = a
	case "path":
		w.answers[Question{AboutPath, rest}] = Answer{Path: line, Exists: true}
	case "interface":
		w.answers[Question{AboutInterface, rest}] = Answer{Exists: true}
	case "bridge":
		w.answers[Question{AboutBridge, rest}] = Answer{Exists: true}
	case "port":
		port, err := strconv.Atoi(line)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		w.answers[Question{AboutPort, rest}] = Answer{Port: port}
	default:
		t.Fatalf("no section is named %q", name)
	}
}

// whole is an Engine's answer with the fields that every one has. Cases say what
// they are about.
func whole(path, body string) []byte {
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &object); err != nil {
		return []byte(body) // a case about that
	}
	path, _, _ = strings.Cut(path, "?")
	for _, l := range Lookups {
		prefix, suffix, _ := strings.Cut(l.Path, "{name}")
		name, matches := strings.CutPrefix(path, prefix)
		if name, found := strings.CutSuffix(name, suffix); matches && found && !strings.Contains(name, "/") {
			for _, field := range l.Fields {
				if _, has := object[field]; !has {
					object[field] = json.RawMessage(fieldOf(l.Kind, name, field))
				}
			}
		}
	}
	full, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	return full
}

// fieldOf is what an ordinary object has in a field.
func fieldOf(kind, name, field string) string {
	switch field {
	case "Driver":
		return map[string]string{"network": `"bridge"`, "volume": `"local"`}[kind]
	case "State", "Config", "HostConfig", "NetworkSettings", "Spec":
		return "{}"
	case "Mounts", "Dependencies", "Components":
		return "[]"
	case "NumContainers":
		return "1"
	case "Version", "ApiVersion":
		return `"1.24"`
	}
	return quote(name)
}

// answer is what a question gets: what the file says, or the ordinary.
func (w *world) answer(q Question) Answer {
	if a, ok := w.answers[q]; ok {
		return a
	}
	switch q.About {
	case AboutEngine:
		if q.Name == "/version" {
			return Answer{Status: http.StatusOK, Body: whole(q.Name, "{}")}
		}
		return Answer{Status: http.StatusNotFound, Body: []byte(`{"message":"no such thing"}`)}
	case AboutPath:
		return Answer{Path: q.Name, Exists: true}
	case AboutInterface, AboutBridge:
		return Answer{}
	}
	return Answer{Err: "the case does not say"}
}

func (w *world) parse(t testing.TB) *policy.Policy {
	t.Helper()
	files := []policy.File{safesock.Policy}
	if w.policy != "" {
		files = append([]policy.File{{Name: "own.hcl", Src: []byte(w.policy)}}, files...)
	}
	p, err := policy.Parse(Names, files...)
	if err != nil {
		t.Fatal(err)
	}
	return p
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
	if body != "" {
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
		Client:   policy.Client{UID: 1000, GID: 1000, PID: 4242, User: policy.Known("ann"), Groups: policy.Known([]string{"ann", "docker"}), Command: policy.Known("docker")},
		Time:     time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC),
		Upstream: "/run/docker.sock",
		Listen:   "/run/safesock/docker.sock",
		Interface: func(name string) ([]netip.Addr, error) {
			switch name {
			case "lo":
				return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}, nil
			case "docker0":
				return []netip.Addr{netip.MustParseAddr("172.17.0.1")}, nil
			}
			return nil, fmt.Errorf("no such interface")
		},
		Answers: map[Question]Answer{},
	}
}

// apply answers questions until there are no more.
func (w *world) apply(t testing.TB, p *policy.Policy, c Call) (Result, error) {
	t.Helper()
	for range 10 {
		r, err := Apply(p, c)
		if err != nil && strings.Contains(err.Error(), ownMistake) {
			t.Fatalf("%s: %v", c.Body, err)
		}
		if len(r.Ask) == 0 {
			for _, outcome := range r.Outcomes {
				listed(t, outcome.Claim)
			}
			return r, err
		}
		for _, q := range r.Ask {
			if _, ok := c.Answers[q]; ok {
				t.Fatalf("%v is asked twice", q)
			}
			c.Answers[q] = w.answer(q)
		}
	}
	t.Fatal("there is no end of questions")
	return Result{}, nil
}

// listed holds that a claim's name or mode is among Names.
func listed(t testing.TB, claim policy.Claim) {
	t.Helper()
	switch c := claim.(type) {
	case policy.Network:
		if !slices.Contains(Names.Modes, c.Mode) {
			t.Errorf("Names lacks the mode %q", c.Mode)
		}
	case policy.Privilege:
		if !slices.Contains(Names.Privileges, c.Name) {
			t.Errorf("Names lacks the privilege %q", c.Name)
		}
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
	if !bytes.Equal(r.Body, c.Body) {
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
		what = fmt.Sprintf("%d/%s %s:%s", claim.Container, claim.Protocol, claim.IP, claim.Host)
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
