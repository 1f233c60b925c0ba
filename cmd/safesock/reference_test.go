package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mattn/go-shellwords"
	"github.com/rogpeppe/go-internal/diff"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite"
)

var update = flag.Bool("update", false, "write docs as they should read")

const reference = "../../docs/policy.md"

// TestDocsAreTrue generates what pages have of the code: the tables of the
// language, and the output of commands by running them on the policies above them.
func TestDocsAreTrue(t *testing.T) {
	for _, page := range []string{reference, "../../docs/tools.md"} {
		t.Run(filepath.Base(page), func(t *testing.T) { checkPage(t, page) })
	}
}

func checkPage(t *testing.T, page string) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	path, err := filepath.Abs(page)
	if err != nil {
		t.Fatal(err)
	}
	got := inTables(t, string(text))
	t.Chdir(t.TempDir())
	got = inExamples(t, got)
	switch {
	case got == string(text):
	case *update:
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s", diff.Diff(page, text, "as it should read", []byte(got)))
	}
}

// TestReferenceShowsEverySettingKindAndAction is about what stands in rules;
// attributes and functions have examples in the tables.
func TestReferenceShowsEverySettingKindAndAction(t *testing.T) {
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	var rules strings.Builder
	for _, block := range fences.FindAllStringSubmatch(string(text), -1) {
		if strings.HasPrefix(block[1], "hcl ") {
			rules.WriteString(block[2])
		}
	}
	var want []string
	for _, s := range slices.Concat(policy.Schema.Settings, policy.Schema.Rule) {
		want = append(want, `(?m)^ *`+s.Name+` *= `)
	}
	for _, k := range policy.Schema.Kinds {
		want = append(want, `(?m)^`+string(k.Kind)+` "`)
		for _, action := range k.Actions {
			want = append(want, `action *= "`+action.String()+`"`)
		}
	}
	for _, pattern := range want {
		if !regexp.MustCompile(pattern).MatchString(rules.String()) {
			t.Errorf("no policy in docs/policy.md has %s", pattern)
		}
	}
}

var (
	regions = regexp.MustCompile(`(?s)<!-- ([a-z: ]+) -->\n.*?<!-- end -->`)
	fences  = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$")
)

// inTables fills in the tables that are made from the code.
func inTables(t *testing.T, text string) string {
	return regions.ReplaceAllStringFunc(text, func(region string) string {
		name := regions.FindStringSubmatch(region)[1]
		var b strings.Builder
		switch name {
		case "table: settings":
			settingsTable(&b, policy.Schema.Settings)
		case "table: rule":
			settingsTable(&b, policy.Schema.Rule)
		case "kinds":
			for _, k := range policy.Schema.Kinds {
				fmt.Fprintf(&b, "### %s\n\n%s Actions: %s.\n\n", k.Kind, k.Doc, actionList(k.Actions))
				attributesTable(&b, string(k.Kind), k.Attributes)
			}
		case "objects":
			for _, o := range policy.Schema.Objects {
				fmt.Fprintf(&b, "### %s\n\n%s\n\n", o.Name, o.Doc)
				attributesTable(&b, o.Name, o.Attributes)
			}
		case "functions":
			fmt.Fprint(&b, "| function | gives | example |\n|---|---|---|\n")
			for _, f := range policy.Schema.Functions {
				fmt.Fprintf(&b, "| `%s(%s)` | %s | %s |\n", f.Name, f.Args, cell(f.Doc), code(f.Example))
			}
		case "endpoints":
			b.WriteString("| endpoint | calls |\n|---|---|\n")
			for i, e := range rewrite.Endpoints {
				if slices.ContainsFunc(rewrite.Endpoints[:i], func(other rewrite.Endpoint) bool { return other.Name == e.Name }) {
					continue
				}
				var calls []string
				for _, same := range rewrite.Endpoints {
					if same.Name == e.Name {
						calls = append(calls, code(same.Method+" "+variables.ReplaceAllString(same.Path, "{$1}")))
					}
				}
				fmt.Fprintf(&b, "| `%s` | %s |\n", e.Name, strings.Join(calls, ", "))
			}
		default:
			t.Errorf("docs/policy.md: nothing is known as %q", name)
		}
		return fmt.Sprintf("<!-- %s -->\n%s\n<!-- end -->", name, strings.TrimSpace(b.String()))
	})
}

// variables matches the variables of a route.
var variables = regexp.MustCompile(`\{([a-z]+):(?:[^{}]|\{[^}]*\})*\}`)

func settingsTable(w io.Writer, settings []policy.Setting) {
	fmt.Fprint(w, "| | type | |\n|---|---|---|\n")
	for _, s := range settings {
		fmt.Fprintf(w, "| `%s` | %s | %s |\n", s.Name, s.Type, cell(s.Doc))
	}
}

func attributesTable(w io.Writer, object string, attributes []policy.Attribute) {
	if len(attributes) == 0 {
		return
	}
	fmt.Fprint(w, "| attribute | type | | example |\n|---|---|---|---|\n")
	for _, a := range attributes {
		doc := a.Doc
		switch {
		case a.Values != nil:
			doc += ": " + codes(a.Values)
		case a.Usual(rewrite.Names) != nil && object+"."+a.Name != "call.endpoint":
			doc += "; today " + codes(a.Usual(rewrite.Names))
		}
		fmt.Fprintf(w, "| `%s.%s` | %s | %s | %s |\n", object, a.Name, a.Type(), cell(doc), code(a.Example))
	}
	fmt.Fprintln(w)
}

func actionList(actions []policy.Action) string {
	var names []string
	for _, a := range actions {
		names = append(names, a.String())
	}
	return codes(names)
}

func codes(texts []string) string {
	var all []string
	for _, text := range texts {
		all = append(all, code(text))
	}
	return strings.Join(all, ", ")
}

func code(text string) string { return "`" + cell(text) + "`" }

// cell escapes a text for a column of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// inExamples writes the policies to files, checks them, runs the test cases, and fills
// in the output of the commands.
func inExamples(t *testing.T, text string) string {
	return fences.ReplaceAllStringFunc(text, func(fence string) string {
		parts := fences.FindStringSubmatch(fence)
		language, name, _ := strings.Cut(parts[1], " ")
		switch language {
		case "console":
			return "```console\n" + session(t, parts[2]) + "```"
		case "hcl":
			if err := os.WriteFile(name, []byte(parts[2]), 0o644); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if strings.HasSuffix(name, testSuffix) {
				if run([]string{"test", name}, &out, &out) != 0 {
					t.Errorf("%s\n%s", parts[2], &out)
				}
				return fence
			}
			if slip := strings.Contains(parts[2], "slip"); (run([]string{"check", name}, &out, &out) == 0) == slip {
				t.Errorf("%s\n%s", parts[2], &out)
			}
			if formatted, err := format(name, []byte(parts[2])); err != nil || string(formatted) != parts[2] {
				t.Errorf("%s\nis not formatted: %v\n%s", parts[2], err, formatted)
			}
		}
		return fence
	})
}

// session runs the commands of a terminal session.
func session(t *testing.T, text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		command, ok := strings.CutPrefix(line, "$ safesock ")
		if !ok {
			continue
		}
		words, err := shellwords.Parse(command)
		if err != nil {
			t.Fatal(err)
		}
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		b.WriteString(line)
		run(words, &b, &b)
	}
	return b.String()
}
