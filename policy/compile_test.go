package policy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// grammar makes expressions out of choices: bytes in, an expression out.
type grammar struct{ choices []byte }

func (g *grammar) pick(n int) int {
	if len(g.choices) == 0 {
		return 0
	}
	c := int(g.choices[0])
	g.choices = g.choices[1:]
	return c % n
}

func (g *grammar) of(options ...string) string { return options[g.pick(len(options))] }

func (g *grammar) text(depth int) string {
	if depth > 0 && g.pick(3) == 0 {
		switch g.pick(3) {
		case 0:
			return fmt.Sprintf("%s(%s)", g.of("lower", "upper", "trimspace"), g.text(depth-1))
		case 1:
			return fmt.Sprintf("lookup(%s, %s, %s)", g.of("container.labels", "local.pairs"), g.text(depth-1), g.text(0))
		default:
			return fmt.Sprintf("coalesce(%s, %s)", g.text(depth-1), g.text(depth-1))
		}
	}
	return g.of(`"web"`, `""`, `"é"`, `"10.1.2.3"`, `"any"`, "port.ip", "port.host", "port.scope", "port.protocol", "container.name",
		"container.image", "compose.project", "client.user", "call.method", `container.labels["web"]`, "container.labels.é", "local.word", "local.user", "local.missing")
}

func (g *grammar) number() string {
	return g.of("0", "80", "5432", "0.5", "-1", "port.container", "client.uid", "local.port", "1 + 79", "99999999999999999999")
}

// plain makes a condition of the forms that are compiled.
func (g *grammar) plain(depth int) string {
	text := func() string {
		return g.of(`"web"`, `""`, `"é"`, `"10.1.2.3"`, "port.ip", "port.host", "container.name", "compose.project", "call.method", "local.word")
	}
	switch g.pick(7) {
	case 0:
		return fmt.Sprintf("%s %s %s", text(), g.of("==", "!="), text())
	case 1:
		return fmt.Sprintf("%s %s %s", g.of("port.container", "client.uid"), g.of("==", "!="), g.of("0", "80", "-1", "local.port", "client.uid"))
	case 2:
		return fmt.Sprintf("startswith(%s, %s)", text(), text())
	case 3, 4:
		if depth > 0 {
			return fmt.Sprintf("(%s %s %s)", g.plain(depth-1), g.of("&&", "||"), g.plain(depth-1))
		}
	case 5:
		if depth > 0 {
			return fmt.Sprintf("!(%s)", g.plain(depth-1))
		}
	}
	return g.of("port.bindable", "!port.bindable", "call.known")
}

func (g *grammar) condition(depth int) string {
	if g.pick(3) == 0 {
		return g.plain(depth)
	}
	if depth == 0 {
		return g.of("true", "false", "port.bindable", "call.known", "local.ops", "!port.bindable")
	}
	switch g.pick(14) {
	case 0:
		return fmt.Sprintf("(%s && %s)", g.condition(depth-1), g.condition(depth-1))
	case 1:
		return fmt.Sprintf("(%s || %s)", g.condition(depth-1), g.condition(depth-1))
	case 2:
		return fmt.Sprintf("!(%s)", g.condition(depth-1))
	case 3:
		return fmt.Sprintf("(%s ? %s : %s)", g.condition(depth-1), g.condition(depth-1), g.condition(depth-1))
	case 4:
		return fmt.Sprintf("(%s %s %s)", g.condition(depth-1), g.of("==", "!="), g.condition(depth-1))
	case 5:
		return fmt.Sprintf("%s %s %s", g.text(depth), g.of("==", "!="), g.text(depth))
	case 6:
		return fmt.Sprintf("%s %s %s", g.number(), g.of("==", "!=", "<", "<=", ">", ">="), g.number())
	case 7:
		return fmt.Sprintf("contains([%s, %s], %s)", g.number(), g.number(), g.number())
	case 8:
		return fmt.Sprintf(`contains(%s, %s)`, g.of(`["web", "é", "any"]`, "client.groups", "local.words", `toset(["web"])`, `[null, "web"]`), g.text(depth-1))
	case 9:
		return fmt.Sprintf("%s(%s, %s)", g.of("startswith", "endswith", "strcontains"), g.text(depth-1), g.text(depth-1))
	case 10:
		return fmt.Sprintf("glob(%s, %s)", g.of(`"*"`, `"w?b"`, `"**"`, `"[a-z]*"`, "container.name"), g.text(depth-1))
	case 11:
		return fmt.Sprintf("cidrcontains(%s, %s)", g.of(`"10.0.0.0/8"`, `"::/0"`, `"127.0.0.1"`), g.text(depth-1))
	case 12:
		return fmt.Sprintf("can(regex(%s, %s))", g.of(`"^w"`, `"(e)(b)"`, `"^$"`, "container.name"), g.text(depth-1))
	default:
		return g.of("alltrue([for k, v in container.labels : v == k])", "length(client.groups) > 0", "anytrue([port.bindable])")
	}
}

const grammarLocals = `
locals {
  word    = "web"
  words   = ["web", "é"]
  port    = 80
  pairs   = { web = "é" }
  user    = lower(client.user)
  ops     = contains(client.groups, "ops") || local.web
  web     = container.name == "web"
  missing = container.labels["missing"]
}
`

// call makes a call and a port out of choices.
func (g *grammar) call() (*Call, Port) {
	word := func() string {
		return g.of("", "web", "WEB", "é", "e\u0301", "10.1.2.3", "\u212A", "a\nb", "\xff", "any")
	}
	call := &Call{Method: g.of("GET", "POST", ""), Known: g.pick(2) == 0}
	call.Container = Container{Name: word(), Image: word()}
	if g.pick(2) == 0 {
		call.Container.Labels = map[string]string{word(): word(), word(): word()}
	}
	call.Compose.Project = word()
	call.Client = Client{UID: g.pick(100), User: Found(word()), Groups: Found([]string{word(), g.of("ops", "")})}
	return call, Port{Container: []int{0, 80, 5432}[g.pick(3)], Protocol: "tcp", Host: word(), IP: g.of("", "127.0.0.1", "::", "10.1.2.3", "x"), Bindable: g.pick(2) == 0}
}

// rule makes a rule out of choices, nil if Parse rejects its condition.
func (g *grammar) rule() (*Policy, *rule) {
	p, err := Parse(SomeNames, File{Name: "p.hcl", Src: []byte(grammarLocals + "port \"p\" {\n when = " + g.condition([]int{1, 1, 2, 3}[g.pick(4)]) + "\n action = \"allow\"\n}\n")})
	if err != nil {
		return nil, nil // such as a comparison that never holds
	}
	r := p.rules[KindPort][0]
	if r.when == nil {
		return nil, nil
	}
	return p, r
}

// agree checks that a compiled condition and HCL give the same result for a
// claim. It reports whether the condition was compiled.
func agree(t testing.TB, choices []byte) (compiled bool) {
	t.Helper()
	g := &grammar{choices}
	p, r := g.rule()
	if r == nil || r.test == nil {
		return false
	}
	call, port := g.call()
	g.forget(call)
	d := p.For(call)
	d.scope = scope{d.call, port.facts(nil)}
	got := r.test(&d.scope)
	v, err := d.value(r.when)
	if err != nil || v.IsNull() || v.True() != got {
		t.Errorf("%s\nwith %+v %+v:\ncompiled says %v, HCL %v (%v)", p.files[0].Src, *call, port, got, v, err)
	}
	return true
}

// forget makes look-ups of a call fail.
func (g *grammar) forget(call *Call) {
	if g.pick(4) == 0 {
		call.Client.User = func() (string, error) { return "", errors.New("nobody knows") }
	}
	if g.pick(4) == 0 {
		call.Client.Groups = func() ([]string, error) { return nil, errors.New("nobody knows") }
	}
}

// indifferent checks that a failed look-up changes no result: a condition that
// is true or false without it is the same with it. It reports whether the
// condition was true or false without it.
func indifferent(t testing.TB, choices []byte) (decided bool) {
	t.Helper()
	g := &grammar{choices}
	p, r := g.rule()
	if r == nil {
		return false
	}
	call, port := g.call()
	decides := func(call *Call) (bool, error) {
		d := p.For(call)
		d.scope = scope{d.call, port.facts(nil)}
		return d.holds(r)
	}
	want, wantErr := decides(call)
	g.forget(call)
	got, err := decides(call)
	if err == nil && (got != want || wantErr != nil) {
		t.Errorf("%s\nwith %+v %+v:\ngot %v without the look-up, %v with it (%v)", p.files[0].Src, *call, port, got, want, wantErr)
	}
	return err == nil
}

func TestAFailedLookUpDecidesNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	decided := 0
	const rounds = 5000
	for range rounds {
		choices := make([]byte, 96)
		for i := range choices {
			choices[i] = byte(random.Uint32())
		}
		if indifferent(t, choices) {
			decided++
		}
	}
	if decided < rounds/10 {
		t.Errorf("of %d conditions only %d held or did not: this test shows little", rounds, decided)
	}
}

func FuzzAFailedLookUpDecidesNothing(f *testing.F) {
	f.Add([]byte("web"))
	f.Fuzz(func(t *testing.T, choices []byte) { indifferent(t, choices) })
}

func TestCompiledConditionsMeanWhatTheyMeanToHCL(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	compiled := 0
	const rounds = 5000
	for range rounds {
		choices := make([]byte, 96)
		for i := range choices {
			choices[i] = byte(random.Uint32())
		}
		if agree(t, choices) {
			compiled++
		}
	}
	if compiled < rounds/10 {
		t.Errorf("of %d conditions only %d were compiled: this test shows little", rounds, compiled)
	}
}

func FuzzCompiledConditionsMeanWhatTheyMeanToHCL(f *testing.F) {
	f.Add([]byte("web"))
	f.Fuzz(func(t *testing.T, choices []byte) { agree(t, choices) })
}

func TestUsualConditionsAreCompiled(t *testing.T) {
	for _, condition := range []string{
		`port.container == 5432 && port.scope != "loopback"`,
		`compose.project == "edge" && (port.container == 80 || port.container == 443)`,
		`!port.bindable || call.known`,
		`startswith(container.image, "ghcr.io/acme/")`,
	} {
		p, err := Parse(SomeNames, File{Name: "p.hcl", Src: []byte("port \"p\" {\n when = " + condition + "\n action = \"allow\"\n}\n")})
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if p.rules[KindPort][0].test == nil {
			t.Errorf("%s is left to HCL", condition)
		}
	}
}

// manyRules are n rules of which none holds for the ports of the benchmark
// but the last; every tenth is left to HCL if slow.
func manyRules(n int, slow bool) string {
	var b strings.Builder
	for i := range n - 1 {
		condition := fmt.Sprintf(`port.container == %d && compose.project == "p%d" || container.name == "n%d"`, 10000+i, i, i)
		if slow && i%10 == 0 {
			condition = fmt.Sprintf(`anytrue([for k, v in container.labels : k == "l%d"])`, i)
		}
		fmt.Fprintf(&b, "port \"rule %d\" {\n  when   = %s\n  action = \"deny\"\n}\n", i, condition)
	}
	b.WriteString("port \"last\" {\n  action = \"bind\"\n  to     = [\"127.0.0.1\"]\n}\n")
	return b.String()
}

// BenchmarkDecide decides the 20 ports of one create.
func BenchmarkDecide(b *testing.B) {
	call := &Call{Endpoint: "container.create", Method: "POST", Path: "/containers/create", Known: true,
		Container: Container{Name: "web", Image: "web:1", Labels: map[string]string{}},
		Compose:   Compose{Project: "shop", Service: "web"}, Client: Client{Groups: Found([]string{"docker"})}}
	for i := range 12 {
		call.Container.Labels[fmt.Sprintf("com.example.label.%d", i)] = "some value of a label"
	}
	for _, size := range []int{1, 10, 100, 1000} {
		for _, slow := range []bool{false, true} {
			name := fmt.Sprintf("rules=%d", size)
			if slow {
				name += "/tenth=hcl"
			}
			b.Run(name, func(b *testing.B) {
				p, err := Parse(SomeNames, File{Name: "p.hcl", Src: []byte(manyRules(size, slow))})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for b.Loop() {
					d := p.For(call)
					for port := range 20 {
						if got := d.Decide(Port{Container: port, Protocol: "tcp", Bindable: true}); got.Action != Bind {
							b.Fatalf("%+v", got)
						}
					}
				}
			})
		}
	}
}

func TestConditionsThatCanFailAreLeftToHCL(t *testing.T) {
	p, err := Parse(SomeNames, File{Name: "p.hcl", Src: []byte("port \"p\" {\n when = container.labels[\"a\"] == \"b\" && port.bindable\n action = \"allow\"\n}\n")})
	if err != nil {
		t.Fatal(err)
	}
	r := p.rules[KindPort][0]
	if r.test != nil {
		t.Fatal("it is compiled")
	}
	for _, test := range []struct {
		port   Port
		labels map[string]string
		holds  bool
		fails  bool
	}{
		{Port{Bindable: true}, nil, false, true},
		{Port{}, nil, false, false},
		{Port{Bindable: true}, map[string]string{"a": "b"}, true, false},
	} {
		d := p.For(&Call{Container: Container{Labels: test.labels}})
		d.scope = scope{d.call, test.port.facts(nil)}
		if holds, err := d.holds(r); holds != test.holds || (err != nil) != test.fails {
			t.Errorf("%+v %v: got %v (%v) want %v", test.port, test.labels, holds, err, test.holds)
		}
	}
}

var _ hclsyntax.Walker = (*checker)(nil)
