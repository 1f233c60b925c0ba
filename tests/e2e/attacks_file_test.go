//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"

	"golang.org/x/tools/txtar"

	"github.com/safesock/safesock/tests/e2e/lab"
)

// attack is one file of attacks/, which README.md there describes.
type attack struct {
	name    string
	engines []string // kinds on which it succeeds without safesock
	holds   []string // policies that keep it from succeeding
	steps   []step
	success []string
	texts   map[string]string // sections that others include
}

// step is a section that does something.
type step struct {
	verb string // as in "send"
	on   string // the name of a connection
	text string
}

// stepVerbs are the sections that do something. All others are texts.
var stepVerbs = []string{"setup", "attack", "http2", "grpc", "meanwhile", "together", "until", "send", "head", "answer", "half-close"}

func readAttacks(t *testing.T) []attack {
	t.Helper()
	files, err := filepath.Glob("attacks/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no attacks: %v", err)
	}
	var all []attack
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		a, err := parseAttack(strings.TrimSuffix(filepath.Base(file), ".txtar"), text)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, a)
	}
	return all
}

func parseAttack(name string, text []byte) (attack, error) {
	archive := txtar.Parse(text)
	a := attack{name: name, texts: map[string]string{}}
	docker, podman := lab.KindNames()
	facts := ""
	for line := range strings.Lines(string(archive.Comment)) {
		key, value, _ := strings.Cut(line, ":")
		switch key {
		case "fact":
			facts = value
		case "engines":
			for _, kind := range strings.Fields(value) {
				switch kind {
				case "docker":
					a.engines = append(a.engines, docker...)
				case "before-29":
					a.engines = append(a.engines, docker[:slices.Index(docker, "29")]...) // they are in the order of their age
				case "podman":
					a.engines = append(a.engines, podman...)
				default:
					if !slices.Contains(docker, kind) && !slices.Contains(podman, kind) {
						return a, fmt.Errorf("there is no engine %q", kind)
					}
					a.engines = append(a.engines, kind)
				}
			}
		case "holds":
			for _, policy := range strings.Fields(value) {
				if _, ok := guards[policy]; !ok {
					return a, fmt.Errorf("there is no policy %q", policy)
				}
				a.holds = append(a.holds, policy)
			}
		}
	}
	for _, f := range archive.Files {
		verb, on, _ := strings.Cut(f.Name, " ")
		switch {
		case f.Name == "success":
			a.success = strings.Split(strings.TrimSpace(string(f.Data)), "\n")
		case slices.Contains(stepVerbs, verb):
			a.steps = append(a.steps, step{verb, on, string(f.Data)})
		default:
			a.texts[f.Name] = string(f.Data)
		}
	}
	if facts == "" || len(a.engines) == 0 || len(a.holds) == 0 || len(a.success) == 0 || len(a.steps) == 0 {
		return a, fmt.Errorf("it needs a fact, engines, policies that hold, steps and what success is")
	}
	return a, nil
}

// createAndStart is {{.create}}: two requests that create the container "attack"
// from {{.body}} and start it.
const createAndStart = `POST /containers/create?name=attack HTTP/1.1
Host: engine
Content-Type: application/json
Content-Length: %d

%sPOST /containers/attack/start HTTP/1.1
Host: engine
Content-Length: 0

`

// expand fills in what a section leaves open.
func (r *replay) expand(t *testing.T, text string) string {
	t.Helper()
	funcs := template.FuncMap{
		"lf":         func() string { return "\n" },
		"cr":         func() string { return "\r" },
		"x":          func(digits string) (string, error) { b, err := hex.DecodeString(digits); return string(b), err },
		"repeat":     func(n int, text string) string { return strings.Repeat(text, n) },
		"chunk":      func(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) },
		"len":        func(text string) int { return len(text) },
		"tar":        tarOf,
		"definition": func(text string) string { return definition(t, text) },
		"twice":      func(target, a, b string) string { return framed(message(t, target, a) + message(t, target, b)) },
		"ref":        func(text string) string { return text + "-" + r.attack.name },
		"engine":     func() string { return r.lab.Kind.Socket },
		"cgroup":     r.lab.Cgroup,
		"answer":     func() string { return r.lastID },
		"bytes":      func(text string) []string { return strings.Split(text, "") },
		"image":      func(name string) string { return r.engineText("/images/"+name+"/json", "Id") },
		"version":    func(service string) string { return r.engineText("/services/"+service, "Version.Index") },
		"id":         func(name string) string { return r.engineText("/containers/"+name+"/json", "Id") },
		"exec": func(container string) string {
			return strings.Trim(r.engineText("/containers/"+container+"/json", "ExecIDs"), "[]")
		},
		"pid": func(name string) string { return strconv.Itoa(r.pid(name)) },
		"address": func(name string) string {
			return r.engineText("/containers/"+name+"/json", "NetworkSettings.Networks.bridge.IPAddress")
		},
		"network": func(name string) string { return r.engineText("/networks/"+name, "Id") },
	}
	included := map[string]string{}
	expand := func(name, text string) string {
		tmpl, err := template.New(name).Funcs(funcs).Option("missingkey=error").Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := tmpl.Execute(&out, included); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	included["body"] = expand("body", strings.TrimSuffix(r.attack.texts["body"], "\n"))
	included["create"] = strings.ReplaceAll(fmt.Sprintf(createAndStart, len(included["body"]), included["body"]), "\n", "\r\n")
	for name, text := range r.attack.texts {
		included[name] = expand(name, strings.TrimSuffix(text, "\n"))
	}
	return expand("section", text)
}

// tarOf is an archive of files: name, text, name, text, and so on.
func tarOf(files ...string) (string, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for pair := range slices.Chunk(files, 2) {
		if err := w.WriteHeader(&tar.Header{Name: pair[0], Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(pair[1]))}); err != nil {
			return "", err
		}
		if _, err := w.Write([]byte(pair[1])); err != nil {
			return "", err
		}
	}
	return out.String(), w.Close()
}
