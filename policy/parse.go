package policy

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Parse reads policies. Rules of an earlier file are tried before those of a
// later file; callers put the built-in policy last. All files share their
// locals: if several files define a local, the last of them wins, and the
// built-in policy's loses. The error is a *Diagnostics with every mistake.
// Parse panics if a list of names is empty.
func Parse(names Names, files ...File) (*Policy, error) {
	if len(names.Endpoints) == 0 || len(names.Modes) == 0 || len(names.Privileges) == 0 {
		panic("policy: Parse without names")
	}
	l := newLoader(names, files)
	p := l.load()
	if l.diags.HasErrors() {
		return nil, report(l.files, l.diags)
	}
	return p, nil
}

// load reads all files. The policy is of use only if there are no errors.
func (l *loader) load() *Policy {
	p := &Policy{rules: map[Kind][]*rule{}, files: l.files, locals: l.locals}
	bodies := make([]*hclsyntax.Body, len(l.files))
	for i, f := range l.files {
		if f.Local == "" {
			bodies[i] = l.parse(f)
		}
	}
	l.readLocals(bodies)

	inherit := true
	for _, body := range bodies {
		if body != nil {
			l.readSettings(body, p, &inherit)
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
	if !inherit && len(p.rules[KindAPI]) == 0 && !l.incomplete {
		l.warn(l.first["setting inherit"], "Every call is denied", `Without the built-in policy, calls are decided by this policy's api rules alone, and it has none. Write api "…" { action = "allow" }.`)
	}
	l.checkReach(p)
	p.looksAtKnown = p.refersTo("call", "known")
	for _, diag := range l.diags {
		if diag.Severity == hcl.DiagWarning {
			p.warnings = append(p.warnings, diag)
		}
	}
	return p
}

// parse parses a file. It returns nil if the syntax is wrong: errors in what
// HCL makes of such a file would be spurious.
func (l *loader) parse(f *source) *hclsyntax.Body {
	if diag := checkLimits(f); diag != nil {
		l.incomplete = true
		l.diags = append(l.diags, diag)
		return nil
	}
	parsed, diags := hclsyntax.ParseConfig(f.Src, f.id, start)
	f.hcl = parsed
	failed, unclosed := false, false
	for _, diag := range diags {
		if diag.Summary == "Attribute redefined" { // HCL goes on
			l.diags = append(l.diags, diag)
			continue
		}
		failed = failed || diag.Severity == hcl.DiagError
		// If a string is not closed, every later line has a mistake.
		inString := diag.Summary == "Invalid multi-line string" || diag.Summary == "Unterminated template string"
		if !inString || !unclosed {
			l.diags = append(l.diags, clearer(diag, f.Src))
		}
		unclosed = unclosed || inString
	}
	if failed {
		l.incomplete = true
		return nil
	}
	body := parsed.Body.(*hclsyntax.Body)
	if len(body.Attributes)+len(body.Blocks) == 0 && !f.MayBeEmpty {
		l.fault(f.beginning(), "Policy that says nothing",
			`This file has no rule and no setting, as if it had been cut short. Write a rule, as in port "…" { action = "deny" }; to use the built-in policy alone, remove the file, and name /dev/null where it was named.`)
	}
	return body
}
