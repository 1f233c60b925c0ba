package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/safesock/safesock/policy"
)

// test is the command that runs policies' test cases.
type test struct {
	update   bool
	verbose  bool
	coverage bool
	run      string
	junit    string
	policies policies // only what --set says: each test file names its policies
}

func newTest() *cobra.Command {
	var t test
	cmd := &cobra.Command{
		Use:   "test [FILE|FOLDER...]",
		Short: "Run the test cases of policies",
		Long: `Runs the cases in *.policytest.hcl files: those named, those in the folders
named and below them, or those below the current folder. team.policytest.hcl
tests the policy team.hcl beside it, unless it names others at its top, as in
policy = ["base.hcl", "team.hcl"].

A case is a call, and what must come of it:

  case "databases stay on this machine" {
    run  = "docker run -p 5432:5432 postgres"
    want = <<-EOT
      port 5432/tcp *:5432: bind 127.0.0.1:5432 (databases)
    EOT
  }

Instead of run it may have compose, a compose file's path or its text, or call,
the body of a container create call or a line as in "POST /networks/create" and
its body below. What it may have besides:

  client { user = "eve" groups = ["ci"] }        uid, gid and command, too
  time       = "2027-01-01T00:00:00Z"            when the call is made
  images     = { web = ["80", "53/udp"] }        what images expose, for -P
  interfaces = { docker0 = ["172.17.0.1"] }      the host's addresses
  links      = { "/var/run" = "/run" }           the host's symbolic links

-update writes each want as it is decided now; read the difference before you
commit it. A file that cannot be read, or whose policy does not load, fails, and
the others are run.`,
		Example: `  safesock test
  safesock test -update team.policytest.hcl
  safesock test --coverage --junit report.xml policies`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.all(cmd.Context(), cmd.OutOrStdout(), args)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&t.update, "update", false, "write what is decided into the cases (also -update)")
	f.BoolVarP(&t.verbose, "verbose", "v", false, "print the cases that pass, too")
	f.BoolVar(&t.coverage, "coverage", false, "list the rules that no case reached")
	f.StringVar(&t.run, "run", "", "only cases whose name matches this `regexp`")
	f.StringVar(&t.junit, "junit", "", "write a JUnit report to this `file`")
	t.policies.setFlag(f)
	return cmd
}

// tested is the result of a test file.
type tested struct {
	XMLName  xml.Name     `xml:"testsuite"`
	Name     string       `xml:"name,attr"`
	Count    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     float64      `xml:"time,attr"`
	Cases    []testedCase `xml:"testcase"`
}

// testedCase is the result of a case.
type testedCase struct {
	Name    string         `xml:"name,attr"`
	Class   string         `xml:"classname,attr"`
	Time    float64        `xml:"time,attr"`
	Failure *testedFailure `xml:"failure"`
	Error   *testedFailure `xml:"error"` // why it could not be run
}

type testedFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func (t *test) all(ctx context.Context, out io.Writer, args []string) error {
	only, err := regexp.Compile(t.run)
	if err != nil {
		return fmt.Errorf("--run: %w", err)
	}
	names, err := testFiles(args)
	if err != nil {
		return err
	}
	var suites []tested
	failed, broken, ran := false, 0, 0
	cover := coverage{}
	for _, name := range names {
		suite, err := t.file(ctx, out, name, only, cover)
		if err != nil {
			fmt.Fprintf(out, "%s\nFAIL\t%s\t[cannot be run]\n", strings.TrimSpace(err.Error()), name)
			suite = tested{Name: name, Count: 1, Errors: 1, Cases: []testedCase{{Name: "load", Class: name, Error: &testedFailure{"cannot be run", err.Error()}}}}
			broken++
		}
		suites = append(suites, suite)
		failed = failed || suite.Failures > 0
		ran += suite.Count
	}
	if t.coverage {
		cover.print(out)
	}
	if t.junit != "" {
		if err := writeJUnit(t.junit, suites); err != nil {
			return err
		}
	}
	if failed || broken > 0 {
		fmt.Fprintln(out, "FAIL")
	}
	switch {
	case broken > 0:
		return fmt.Errorf("%d of %d files cannot be run", broken, len(names))
	case failed:
		return no("")
	case ran == 0 && t.run != "":
		return fmt.Errorf("--run %s: no case has such a name", t.run)
	}
	return nil
}

// testFiles finds the files that hold cases.
func testFiles(args []string) ([]string, error) {
	if len(args) == 0 {
		args = []string{"."}
	}
	var names []string
	for _, arg := range args {
		found := false
		err := filepath.WalkDir(arg, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && path != arg && strings.HasPrefix(entry.Name(), "."):
				return fs.SkipDir
			case path == arg && strings.HasSuffix(path, ".hcl") && !strings.HasSuffix(path, testSuffix):
				return fmt.Errorf("%s: is a policy; name its test file, %s", path, strings.TrimSuffix(path, ".hcl")+testSuffix)
			case !entry.IsDir() && (path == arg || strings.HasSuffix(path, testSuffix)):
				names, found = append(names, path), true
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, fmt.Errorf("%s: no *%s file in this folder or below it", arg, testSuffix)
		}
	}
	return names, nil
}

// file runs the cases of one file.
func (t *test) file(ctx context.Context, out io.Writer, name string, only *regexp.Regexp, cover coverage) (tested, error) {
	start := time.Now()
	file, err := readTestFile(name)
	if err != nil {
		return tested{}, err
	}
	given := policies{paths: file.paths(), set: t.policies.set}
	loaded, err := given.load()
	if err != nil {
		return tested{}, err
	}
	cover.add(loaded)
	suite := tested{Name: name}
	wants := make([]string, len(file.Cases))
	for i, each := range file.Cases {
		wants[i] = each.Want
		if !only.MatchString(each.Name) {
			continue
		}
		begin := time.Now()
		got, reached, err := each.decide(ctx, loaded, filepath.Dir(name))
		if err != nil {
			got = "error: " + err.Error() + "\n"
		} else {
			cover.reach(reached)
			if t.update {
				wants[i] = got
			}
		}
		one := testedCase{Name: each.Name, Class: name, Time: time.Since(begin).Seconds()}
		if got != strings.TrimSpace(wants[i])+"\n" {
			one.Failure = &testedFailure{fmt.Sprintf("%s:%d", name, each.At.Start.Line), difference(strings.TrimSpace(wants[i]), got)}
			suite.Failures++
			fmt.Fprintf(out, "--- FAIL: %s (%.2fs)\n    %s:%d:\n%s", each.Name, one.Time, name, each.At.Start.Line, indent(one.Failure.Text))
		} else if t.verbose {
			fmt.Fprintf(out, "--- PASS: %s (%.2fs)\n", each.Name, one.Time)
		}
		suite.Cases = append(suite.Cases, one)
	}
	suite.Count, suite.Time = len(suite.Cases), time.Since(start).Seconds()
	if t.update {
		if err := file.update(wants); err != nil {
			return suite, err
		}
	}
	verdict := "ok  "
	if suite.Failures > 0 {
		verdict = "FAIL"
	}
	fmt.Fprintf(out, "%s\t%s\t%.3fs\n", verdict, name, suite.Time)
	return suite, nil
}

// difference returns how a result differs from what was wanted.
func difference(want, got string) string {
	if want == "" {
		return "no want; -update would write:\n" + got
	}
	text := string(diff.Diff("want", []byte(want+"\n"), "got", []byte(got)))
	_, text, _ = strings.Cut(text, "\n") // the line that names the program diff
	return text
}

func indent(text string) string {
	var lines strings.Builder
	for line := range strings.Lines(text) {
		lines.WriteString("        " + line)
	}
	return lines.String()
}

// writeJUnit writes a report that CI systems read.
func writeJUnit(name string, suites []tested) error {
	text, err := xml.MarshalIndent(struct {
		XMLName xml.Name `xml:"testsuites"`
		Suites  []tested
	}{Suites: suites}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append([]byte(xml.Header), append(text, '\n')...), 0o644)
}

// coverage records for each rule whether a case reached it.
type coverage map[policy.Rule]bool

func (c coverage) add(p *policy.Policy) {
	for _, rule := range reachable(p) {
		if _, ok := c[rule]; !ok {
			c[rule] = false
		}
	}
}

func (c coverage) reach(rules []policy.Rule) {
	for _, rule := range rules {
		if _, ok := c[rule]; ok {
			c[rule] = true
		}
	}
}

// print counts the rules of each file, and lists those not reached.
func (c coverage) print(out io.Writer) {
	byFile := map[string][]policy.Rule{}
	for rule := range c {
		byFile[rule.File] = append(byFile[rule.File], rule)
	}
	for _, file := range slices.Sorted(maps.Keys(byFile)) {
		rules := byFile[file]
		slices.SortFunc(rules, func(a, b policy.Rule) int { return a.Line - b.Line })
		reached := 0
		var missed []string
		for _, rule := range rules {
			if c[rule] {
				reached++
			} else {
				missed = append(missed, fmt.Sprintf("\tnot reached: %s\n", rule))
			}
		}
		fmt.Fprintf(out, "coverage\t%s\t%d of %d rules\n%s", file, reached, len(rules), strings.Join(missed, ""))
	}
}
