package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/mattn/go-shellwords"

	"github.com/safesock/safesock"
	"github.com/safesock/safesock/clients"
	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite"
)

// testFile is a *.policytest.hcl file.
type testFile struct {
	name   string
	src    []byte
	Policy []string   `hcl:"policy,optional"` // paths relative to this file; none for the policy beside it
	Cases  []testCase `hcl:"case,block"`
}

// testCase is a call, with the decisions that are expected.
type testCase struct {
	Name string `hcl:"name,label"`

	Run     string `hcl:"run,optional"`     // a docker run line
	Compose string `hcl:"compose,optional"` // a compose file's path, or its text
	Call    string `hcl:"call,optional"`    // a call, or the body of a container create call

	Client     *testClient         `hcl:"client,block"`
	Time       string              `hcl:"time,optional"`       // RFC 3339; now if it is ""
	Images     map[string][]string `hcl:"images,optional"`     // the ports that images expose
	Interfaces map[string][]string `hcl:"interfaces,optional"` // the addresses of the host's interfaces
	Links      map[string]string   `hcl:"links,optional"`      // the host's symbolic links

	Want string    `hcl:"want,optional"`
	At   hcl.Range `hcl:",def_range"`
}

// testClient is the client that makes a case's call.
type testClient struct {
	User    string   `hcl:"user,optional"`
	UID     int      `hcl:"uid,optional"`
	GID     int      `hcl:"gid,optional"`
	Groups  []string `hcl:"groups,optional"`
	Command string   `hcl:"command,optional"`
}

// The host of a test case that describes no host.
var (
	usualInterfaces = map[string][]string{"lo": {"127.0.0.1", "::1"}, "docker0": {"172.17.0.1"}}
	usualLinks      = map[string]string{"/var/run": "/run"}
)

// readTestFile reads cases. The error shows the lines that are wrong.
func readTestFile(name string) (*testFile, error) {
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	file := &testFile{name: name, src: src}
	parsed, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	if !diags.HasErrors() {
		diags = append(diags, gohcl.DecodeBody(parsed.Body, nil, file)...)
	}
	if diags.HasErrors() {
		return nil, policy.Diagnose(policy.File{Name: name, Src: src}, parsed, diags)
	}
	lines := map[string]int{}
	for _, each := range file.Cases {
		if first, ok := lines[each.Name]; ok {
			return nil, fmt.Errorf("%s:%d: case %q: line %d has a case of this name already", name, each.At.Start.Line, each.Name, first)
		}
		lines[each.Name] = each.At.Start.Line
		if given := count(each.Run != "", each.Compose != "", each.Call != ""); given != 1 {
			return nil, fmt.Errorf("%s:%d: case %q: one of run, compose and call has to be given, not %d", name, each.At.Start.Line, each.Name, given)
		}
	}
	return file, nil
}

func count(facts ...bool) int {
	n := 0
	for _, fact := range facts {
		if fact {
			n++
		}
	}
	return n
}

// paths are the policies that a test file is about: those it names, or the
// one beside it.
func (f *testFile) paths() (paths []string) {
	if len(f.Policy) == 0 {
		return []string{strings.TrimSuffix(f.name, testSuffix) + ".hcl"}
	}
	for _, path := range f.Policy {
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(f.name), path)
		}
		paths = append(paths, path)
	}
	return paths
}

// decide returns the decisions about a case, in the form of its want, and the rules
// that decided.
func (c *testCase) decide(ctx context.Context, p *policy.Policy, dir string) (got string, reached []policy.Rule, err error) {
	world, err := c.world()
	if err != nil {
		return "", nil, err
	}
	calls, err := c.calls(ctx, dir, world)
	if err != nil {
		return "", nil, err
	}
	var lines []string
	for _, each := range calls {
		made, err := world.apply(p, each)
		if err != nil {
			return "", nil, err
		}
		for _, outcome := range made.result.Outcomes {
			reached = append(reached, outcome.Decision.Rule)
		}
		itself := made.itself(p, world)
		reached = append(reached, itself.Rule)
		told := made.summary()
		if c.Call != "" && len(told) == 0 {
			told = []string{fmt.Sprintf("the call: %s (%s)", itself.Action, itself.Rule.Name)}
		}
		lines = append(lines, told...)
	}
	if len(lines) == 0 {
		lines = []string{"nothing is claimed"}
	}
	return strings.Join(lines, "\n") + "\n", reached, nil
}

// summary returns a line for each claim. It has no line numbers, so that a comment
// added to a policy breaks no test.
func (v *verdict) summary() []string {
	prefix := ""
	if v.Service != "" {
		prefix = v.Service + ": "
	}
	var lines []string
	denied := false
	for _, outcome := range v.result.Outcomes {
		denied = denied || outcome.Decision.Action == policy.Deny
		if quiet(outcome) {
			continue
		}
		by := "no rule"
		if rule := outcome.Decision.Rule; rule != (policy.Rule{}) {
			by = rule.Name
		}
		lines = append(lines, fmt.Sprintf("%s%s: %s (%s)", prefix, inALine(outcome.Claim), decided(outcome), by))
	}
	if v.refusal != nil && !denied {
		lines = append(lines, fmt.Sprintf("%srefused with %d: %s", prefix, v.refusal.Status, v.refusal.Message))
	}
	return lines
}

// calls returns the calls of a case.
func (c *testCase) calls(ctx context.Context, dir string, world *offline) ([]clients.Call, error) {
	switch {
	case c.Run != "":
		words, err := shellwords.Parse(c.Run)
		if err != nil {
			return nil, fmt.Errorf("run: %w", err)
		}
		line, err := clients.ParseLine(words)
		if err != nil {
			return nil, fmt.Errorf("run: %w", err)
		}
		if line == nil {
			return nil, errors.New("run: not a docker run line")
		}
		one, err := line.Run()
		return []clients.Call{one}, err
	case c.Call != "":
		return []clients.Call{clients.ParseCall([]byte(c.Call))}, nil
	}
	files := clients.Compose{Dir: dir, Alone: true}
	if strings.Contains(c.Compose, "\n") {
		files.Text, files.Project = c.Compose, "test"
	} else {
		files.Files = []string{filepath.Join(dir, c.Compose)}
	}
	project, err := files.Load(ctx)
	if err != nil {
		return nil, err
	}
	calls, answers := clients.Up(project)
	maps.Copy(world.engine, answers)
	return calls, nil
}

// world returns a world with the host and the Engine of a case.
func (c *testCase) world() (*offline, error) {
	world := &offline{
		engine: map[string][]byte{},
		time:   time.Now(),

		upstream: usualUpstream, listen: usualOwn,
	}
	client := testClient{UID: 1000, GID: 1000, User: "tester", Command: "docker"}
	if c.Client != nil {
		client = *c.Client
	}
	world.client = policy.Client{
		UID: client.UID, GID: client.GID,
		User: policy.Found(client.User), Groups: policy.Found(client.Groups), Command: policy.Found(client.Command),
	}
	if c.Time != "" {
		at, err := time.Parse(time.RFC3339, c.Time)
		if err != nil {
			return nil, fmt.Errorf("time: %w", err)
		}
		world.time = at
	}
	for image, ports := range c.Images {
		body, err := imageExposing(ports)
		if err != nil {
			return nil, err
		}
		world.engine[rewrite.Question("image", image)] = body
	}
	interfaces, links := c.Interfaces, c.Links
	if interfaces == nil {
		interfaces = usualInterfaces
	}
	if links == nil {
		links = usualLinks
	}
	made := madeHost{addresses: map[string][]netip.Addr{}, links: links}
	for name, texts := range interfaces {
		for _, text := range texts {
			address, err := netip.ParseAddr(text)
			if err != nil {
				return nil, fmt.Errorf("interfaces: %w", err)
			}
			made.addresses[name] = append(made.addresses[name], address)
		}
	}
	world.machine = made
	return world, nil
}

// madeHost is the host of a test case. Every path exists on it.
type madeHost struct {
	addresses map[string][]netip.Addr
	links     map[string]string
}

func (h madeHost) Resolve(path string) (resolved string, exists bool, err error) {
	return followLinks(path, h.links), true, nil
}

func (h madeHost) GroupOf(string) (int, error) { return 0, nil }

func (h madeHost) HasInterface(name string) (bool, error) {
	_, found := h.addresses[name]
	return found, nil
}

func (h madeHost) Addresses(name string) ([]netip.Addr, error) {
	if found, ok := h.addresses[name]; ok {
		return found, nil
	}
	return nil, fmt.Errorf("no interface %q", name)
}

func (h madeHost) HasForeignPorts(string) (bool, error) { return false, nil }

func (h madeHost) OwnsBuild(string) bool { return true }

// followLinks resolves a path by a table of symbolic links.
func followLinks(path string, links map[string]string) string {
	path = filepath.Clean(path)
	for range 40 { // as many as Linux follows
		found := ""
		for link := range links {
			if (path == link || strings.HasPrefix(path, link+"/")) && len(link) > len(found) {
				found = link
			}
		}
		if found == "" {
			break
		}
		path = filepath.Join(links[found], strings.TrimPrefix(path, found))
	}
	return path
}

// update writes the wants of a file anew.
func (f *testFile) update(wants []string) error {
	file, diags := hclwrite.ParseConfig(f.src, f.name, hcl.InitialPos)
	if diags.HasErrors() {
		return diags
	}
	blocks := file.Body().Blocks()
	for i, want := range wants {
		if f.Cases[i].Want == want {
			continue
		}
		text := strings.NewReplacer("${", "$${", "%{", "%%{", "\n", "\n    ").Replace(strings.TrimSuffix(want, "\n"))
		attribute, diags := hclwrite.ParseConfig([]byte("want = <<-EOT\n    "+text+"\n  EOT\n"), f.name, hcl.InitialPos)
		if diags.HasErrors() {
			return diags
		}
		tokens := attribute.Body().GetAttribute("want").Expr().BuildTokens(nil)
		blocks[i].Body().SetAttributeRaw("want", tokens)
	}
	return os.WriteFile(f.name, file.Bytes(), 0o644)
}

// reachable returns the rules of a policy's own files, or all rules if the policy is
// the built-in policy.
func reachable(p *policy.Policy) []policy.Rule {
	var own []policy.Rule
	for _, rule := range p.Rules() {
		if rule.File != safesock.Policy.Name {
			own = append(own, rule)
		}
	}
	if len(own) == 0 {
		own = p.Rules()
	}
	return own
}
