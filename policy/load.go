package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// loader reads policy files and collects every mistake in them.
type loader struct {
	names  Names
	files  []*source
	locals map[string]*local
	diags  hcl.Diagnostics

	partial bool                 // a file could not be read: what seems to be missing may be in it
	seen    map[string]hcl.Range // settings and rules that stand somewhere already
}

// start is where HCL begins to count.
var start = hcl.Pos{Line: 1, Column: 1}

func newLoader(names Names, files []File) *loader {
	l := &loader{names: names, locals: map[string]*local{}, seen: map[string]hcl.Range{}}
	taken := map[string]bool{}
	for _, f := range files {
		id := f.Name
		for n := 2; taken[id]; n++ {
			id = fmt.Sprintf("%s (%d)", f.Name, n)
		}
		taken[id] = true
		l.files = append(l.files, &source{File: f, id: id})
	}
	return l
}

// load reads all files. What it gives is of use only if no errors were found.
func (l *loader) load() *Policy {
	p := &Policy{rules: map[Kind][]*rule{}, files: l.files, locals: l.locals}
	bodies := make([]*hclsyntax.Body, len(l.files))
	for i, f := range l.files {
		if f.Local == "" {
			bodies[i] = l.parse(f)
		}
	}
	l.readLocals(bodies)
	l.resolveLocals()

	inherit := true
	for i, body := range bodies {
		if body != nil {
			l.readSettings(l.files[i], body, p, &inherit)
		}
	}
	for i, body := range bodies {
		if body == nil {
			continue
		}
		for _, block := range body.Blocks {
			r := l.readBlock(l.files[i], block)
			if r != nil && (inherit || !l.files[i].Builtin) {
				p.rules[r.Kind] = append(p.rules[r.Kind], r)
			}
		}
	}
	if !inherit && len(p.rules[KindAPI]) == 0 && !l.partial {
		l.warn(l.seen["setting inherit"], "Every call is denied", `Without the built-in policy, calls are decided by this policy's api rules alone, and it has none. Write api "…" { action = "allow" }.`)
	}
	l.checkReach(p)
	p.known = p.refersTo("call", "known")
	for _, diag := range l.diags {
		if diag.Severity == hcl.DiagWarning {
			p.warnings = append(p.warnings, diag)
		}
	}
	return p
}

// parse reads a file's syntax. It gives nil if that is broken: half a file is
// full of mistakes that are none.
func (l *loader) parse(f *source) *hclsyntax.Body {
	if diag := withinBounds(f); diag != nil {
		l.partial = true
		l.diags = append(l.diags, diag)
		return nil
	}
	parsed, diags := hclsyntax.ParseConfig(f.Src, f.id, start)
	f.hcl = parsed
	broken, open := false, false
	for _, diag := range diags {
		if diag.Summary == "Attribute redefined" {
			l.diags = append(l.diags, diag)
			continue
		}
		broken = broken || diag.Severity == hcl.DiagError
		// A text that is not closed makes one mistake of every line behind it.
		unclosed := diag.Summary == "Invalid multi-line string" || diag.Summary == "Unterminated template string"
		if !unclosed || !open {
			l.diags = append(l.diags, clearer(diag, f.Src))
		}
		open = open || unclosed
	}
	if broken {
		l.partial = true
		return nil
	}
	body := parsed.Body.(*hclsyntax.Body)
	if len(body.Attributes)+len(body.Blocks) == 0 && !f.MayBeEmpty {
		l.fault(hcl.Range{Filename: f.id, Start: start, End: start}, "Policy that says nothing",
			`This file has no rule and no setting, as if it had been cut short. Write a rule, as in port "…" { action = "deny" }; to use the built-in policy alone, remove the file, and name /dev/null where it was named.`)
	}
	return body
}

// fault adds a mistake.
func (l *loader) fault(at hcl.Range, summary, format string, args ...any) {
	l.diags = append(l.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &at,
	})
}

// warn adds a warning.
func (l *loader) warn(at hcl.Range, summary, format string, args ...any) {
	l.diags = append(l.diags, &hcl.Diagnostic{
		Severity: hcl.DiagWarning, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &at,
	})
}

// once faults what stands in the files for the second time.
func (l *loader) once(what string, at hcl.Range, summary string) {
	if first, ok := l.seen[what]; ok {
		l.fault(at, summary, "The first one is at %s:%d.", first.Filename, first.Start.Line)
		return
	}
	l.seen[what] = at
}

// readSettings reads the attributes at the top of a file. The built-in
// policy's count only where no other file has them.
func (l *loader) readSettings(f *source, body *hclsyntax.Body, p *Policy, inherit *bool) {
	for _, attr := range sorted(body.Attributes) {
		if f.Builtin {
			l.fault(attr.NameRange, "Setting in the built-in policy", "Only a user's file sets %q.", attr.Name)
			continue
		}
		switch attr.Name {
		case "mode":
			l.once("setting "+attr.Name, attr.NameRange, "Duplicate setting")
			if mode, ok := l.constantText(attr); ok {
				p.observe = mode == "observe"
				if mode != "observe" && mode != "enforce" {
					l.fault(attr.Expr.Range(), "Unsupported mode", `The mode is "enforce" or "observe", not %q.%s`, mode, didYouMean(mode, []string{"enforce", "observe"}))
				}
			}
		case "inherit":
			l.once("setting "+attr.Name, attr.NameRange, "Duplicate setting")
			v, ok := l.constant(attr)
			switch {
			case !ok:
			case v.IsNull() || v.Type() != cty.Bool:
				l.fault(attr.Expr.Range(), "Unsuitable value", "inherit is true or false.")
			case v.False():
				*inherit = false
			}
		default:
			l.fault(attr.NameRange, "Unsupported setting", "A policy has no setting %q.%s", attr.Name, didYouMean(attr.Name, settingNames(Schema.Settings)))
		}
	}
}

// refersTo reports whether a rule or a local looks at an attribute.
func (p *Policy) refersTo(object, attribute string) bool {
	for _, local := range p.locals {
		if mentions(local.expr, object, attribute) {
			return true
		}
	}
	for _, rules := range p.rules {
		for _, r := range rules {
			for _, attr := range r.block.Body.Attributes {
				if mentions(attr.Expr, object, attribute) {
					return true
				}
			}
		}
	}
	return false
}

// constant evaluates an attribute that must be known when the policy is
// loaded.
func (l *loader) constant(attr *hclsyntax.Attribute) (cty.Value, bool) {
	v, ok := l.check(attr.Expr, "")
	if ok && l.isLive(attr.Expr) {
		l.fault(attr.Expr.Range(), "Value must be constant", "%s cannot depend on the call; write one rule for each value.", attr.Name)
		return v, false
	}
	return v, ok
}

func (l *loader) constantText(attr *hclsyntax.Attribute) (string, bool) {
	v, ok := l.constant(attr)
	if !ok {
		return "", false
	}
	if v.IsNull() || v.Type() != cty.String {
		l.fault(attr.Expr.Range(), "Unsuitable value", "%s is a text; this is %s.", attr.Name, describe(v))
		return "", false
	}
	return v.AsString(), true
}

// describe says what a value is that should be another.
func describe(v cty.Value) string {
	switch {
	case v.IsNull():
		return "null"
	case v.IsKnown() && v.Type().IsPrimitiveType():
		return fmt.Sprintf("the %s %s", v.Type().FriendlyName(), show(v, false))
	}
	return article(v.Type().FriendlyName())
}

// article puts a or an before a noun.
func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// sorted gives attributes in the order of the file.
func sorted(attrs hclsyntax.Attributes) []*hclsyntax.Attribute {
	all := make([]*hclsyntax.Attribute, 0, len(attrs))
	for _, attr := range attrs {
		all = append(all, attr)
	}
	slices.SortFunc(all, func(a, b *hclsyntax.Attribute) int { return a.SrcRange.Start.Byte - b.SrcRange.Start.Byte })
	return all
}

func settingNames(settings []Setting) []string {
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.Name
	}
	return names
}

func settingNamed(name string) (Setting, bool) {
	for _, s := range Schema.Rule {
		if s.Name == name {
			return s, true
		}
	}
	return Setting{}, false
}

// ruleSynonyms are what other tools call a rule's attributes.
var ruleSynonyms = map[string]string{
	"if": "when", "condition": "when", "match": "when", "where": "when", "then": "action", "do": "action", "effect": "action",
	"address": "to", "addresses": "to", "ip": "to", "reason": "message", "description": "message", "until": "expires", "expiry": "expires",
}

// meantInRule guesses what an unknown attribute of a rule was to be: one of
// its own, or a fact about the claim that belongs into when.
func (l *loader) meantInRule(spec KindSpec, name string) string {
	if guess := meant(name, settingNames(Schema.Rule), ruleSynonyms); guess != "" {
		return guess
	}
	for _, a := range spec.Attributes {
		if a.Name == name || slices.Contains(a.also, name) {
			return fmt.Sprintf(" To compare it, write when = %s.%s == …", spec.Kind, a.Name)
		}
	}
	if slices.ContainsFunc(Schema.Settings, func(s Setting) bool { return s.Name == name }) {
		return " It is a setting of the whole policy: write it at the top of the file, outside of any block."
	}
	return fmt.Sprintf(" It has %s.", list(settingNames(Schema.Rule)))
}

// meant guesses a name by what people call it elsewhere, or by its spelling.
func meant(name string, names []string, synonyms map[string]string) string {
	if other := synonyms[strings.ToLower(name)]; slices.Contains(names, other) {
		return fmt.Sprintf(" Did you mean %q?", other)
	}
	return didYouMean(name, names)
}

// didYouMean guesses which name was meant, with a blank before it; "" if none
// is near.
func didYouMean(name string, names []string) string {
	if near := nearest(name, names); near != "" {
		return fmt.Sprintf(" Did you mean %q?", near)
	}
	return ""
}

// nearest finds the name that differs least, "" if all differ much.
func nearest(name string, names []string) string {
	best, least := "", 3
	name = strings.ToLower(name)
	for _, candidate := range names {
		other := strings.ToLower(candidate)
		far := levenshtein.Distance(name, other, nil)
		if len(name) > 2 && strings.HasPrefix(other, name) {
			far = min(far, 1)
		}
		if far < least && far < min(len(name), len(other)) {
			best, least = candidate, far
		}
	}
	return best
}

// list joins names as a sentence does.
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
