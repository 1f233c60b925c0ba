package policy

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Diagnostics are what is wrong with policies: every mistake that could be
// found, in the order of their files and lines.
type Diagnostics struct{ List []Diagnostic }

// Diagnostic is one mistake, or one warning.
type Diagnostic struct {
	Warning bool
	Summary string // what is wrong, in a few words
	Detail  string // why, and what to write instead
	File    string // as given to Parse
	Line    int    // from 1
	Column  int    // from 1, in characters
	Text    string // all of it as a person should see it, with the source line; ends with a line break
}

// Error is the text of all of them.
func (d *Diagnostics) Error() string {
	var b strings.Builder
	for i, diag := range d.List {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(diag.Text)
	}
	return strings.TrimRight(b.String(), "\n")
}

// String is the text of one.
func (d Diagnostic) String() string { return d.Text }

// Diagnose tells in the same words what HCL finds wrong with a file that need
// not be a policy, such as one of test cases. The parsed file may be nil.
func Diagnose(f File, parsed *hcl.File, diags hcl.Diagnostics) *Diagnostics {
	clear := make(hcl.Diagnostics, len(diags))
	for i, diag := range diags {
		clear[i] = clearer(diag, f.Src)
	}
	return report([]*source{{File: f, id: f.Name, hcl: parsed}}, clear)
}

// report makes diagnostics of HCL's, sorted, each mistake once.
func report(files []*source, diags hcl.Diagnostics) *Diagnostics {
	order := make(map[string]int, len(files))
	for i, f := range files {
		order[f.id] = i
	}
	diags = slices.Clone(diags)
	sort.SliceStable(diags, func(i, j int) bool {
		a, b := subject(diags[i]), subject(diags[j])
		if a.Filename != b.Filename {
			return order[a.Filename] < order[b.Filename]
		}
		return a.Start.Byte < b.Start.Byte
	})
	d := &Diagnostics{}
	seen := map[string]bool{}
	for _, diag := range diags {
		at := subject(diag)
		var src *source
		if i, ok := order[at.Filename]; ok {
			src = files[i]
		}
		text := render(src, diag)
		if seen[text] {
			continue
		}
		seen[text] = true
		d.List = append(d.List, Diagnostic{
			Warning: diag.Severity == hcl.DiagWarning,
			Summary: diag.Summary,
			Detail:  diag.Detail,
			File:    src.name(),
			Line:    at.Start.Line,
			Column:  at.Start.Column,
			Text:    text,
		})
	}
	return d
}

func subject(d *hcl.Diagnostic) hcl.Range {
	if d.Subject == nil {
		return hcl.Range{}
	}
	return *d.Subject
}

// maxLines is how many source lines of one mistake are shown.
const maxLines = 5

// render writes a diagnostic with its source lines, the faulty part marked.
func render(src *source, diag *hcl.Diagnostic) string {
	var b strings.Builder
	severity := "Error"
	if diag.Severity == hcl.DiagWarning {
		severity = "Warning"
	}
	fmt.Fprintf(&b, "%s: %s\n\n", severity, diag.Summary)
	if diag.Subject != nil {
		at := *diag.Subject
		fmt.Fprintf(&b, "  on %s line %d", at.Filename, at.Start.Line)
		if block := src.block(at.Start.Byte); block != "" {
			fmt.Fprintf(&b, ", in %s", block)
		}
		b.WriteString(":\n")
		for line := at.Start.Line; line <= at.End.Line && line < at.Start.Line+maxLines; line++ {
			text, start := src.line(line)
			fmt.Fprintf(&b, "%4d: %s\n", line, text)
			if line == at.Start.Line {
				fmt.Fprintf(&b, "      %s\n", underline(text, at.Start.Byte-start, at.End.Byte-start))
			}
		}
		b.WriteByte('\n')
		if values := valuesIn(diag, false); len(values) > 0 {
			fmt.Fprintf(&b, "with %s.\n\n", strings.Join(values, ",\n     "))
		}
	}
	if diag.Detail != "" {
		b.WriteString(diag.Detail)
		b.WriteByte('\n')
	}
	return b.String()
}

// underline marks the bytes of a line from start to end.
func underline(line string, start, end int) string {
	start = min(max(start, 0), len(line))
	end = min(max(end, start), len(line))
	indent := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, line[:start])
	return indent + strings.Repeat("^", max(1, utf8.RuneCountInString(line[start:end])))
}

// valuesIn says what the variables of a failed expression were, as in
// port.container = 80. On a live call, locals may hold secrets too.
func valuesIn(diag *hcl.Diagnostic, live bool) []string {
	if diag.Expression == nil || diag.EvalContext == nil {
		return nil
	}
	var values []string
	for _, traversal := range diag.Expression.Variables() {
		v, diags := traversal.TraverseAbs(diag.EvalContext)
		for diags.HasErrors() && len(traversal) > 2 {
			traversal = traversal[:len(traversal)-1]
			v, diags = traversal.TraverseAbs(diag.EvalContext)
		}
		if diags.HasErrors() || !v.IsKnown() || v.Type().IsObjectType() {
			continue
		}
		text := spell(traversal) + " = " + show(v, isSecret(traversal, live))
		if !slices.Contains(values, text) {
			values = append(values, text)
		}
	}
	slices.Sort(values)
	return values
}

// spell writes a traversal as it stands in a policy.
func spell(traversal hcl.Traversal) string {
	var b strings.Builder
	for _, step := range traversal {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(step.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + step.Name)
		case hcl.TraverseIndex:
			b.WriteString("[" + show(step.Key, false) + "]")
		}
	}
	return b.String()
}

// isSecret reports whether a traversal leads into what may hold secrets.
func isSecret(traversal hcl.Traversal, live bool) bool {
	if len(traversal) < 2 {
		return true // an object as a whole, or a variable of a for expression
	}
	if traversal.RootName() == "local" {
		return live
	}
	step, ok := traversal[1].(hcl.TraverseAttr)
	for _, kind := range Schema.Kinds {
		if object, found := Schema.object(kind.Kind, traversal.RootName()); found {
			attr, found := object.attribute(step.Name)
			return !ok || !found || attr.Secret
		}
	}
	return true
}

// maxShown is how many characters of a text are printed.
const maxShown = 60

// show writes a value briefly. Of what may be secret it tells the size.
func show(v cty.Value, secret bool) string {
	ty := v.Type()
	switch {
	case v.IsNull():
		return "null"
	case !v.IsKnown():
		return "not known"
	case ty == cty.Bool:
		return fmt.Sprint(v.True())
	case ty == cty.Number:
		return v.AsBigFloat().Text('g', 10)
	case ty == cty.String && secret:
		return fmt.Sprintf("a text of %d characters", utf8.RuneCountInString(v.AsString()))
	case ty == cty.String:
		text := []rune(v.AsString())
		if len(text) > maxShown {
			return fmt.Sprintf("%q… (%d characters)", string(text[:maxShown]), len(text))
		}
		return fmt.Sprintf("%q", string(text))
	case ty.IsObjectType():
		return "an object"
	case v.LengthInt() == 1:
		return "a " + ty.FriendlyName() + " with 1 element"
	}
	return fmt.Sprintf("a %s with %d elements", ty.FriendlyName(), v.LengthInt())
}

// source is a policy file, parsed.
type source struct {
	File
	id  string    // the name in HCL's ranges, which no other file has
	hcl *hcl.File // nil if it could not be read at all
}

func (s *source) name() string {
	if s == nil {
		return ""
	}
	return s.Name
}

// block names the block that holds a place of the file, "" if none does.
func (s *source) block(offset int) string {
	if s == nil || s.hcl == nil {
		return ""
	}
	nav, ok := s.hcl.Nav.(interface{ ContextString(int) string })
	if !ok {
		return ""
	}
	return nav.ContextString(offset)
}

// line gives the text of a line, counted from 1, and the place where it
// starts.
func (s *source) line(n int) (text string, start int) {
	if s == nil {
		return "", 0
	}
	rest := string(s.Src)
	for ; n > 1; n-- {
		_, after, found := strings.Cut(rest, "\n")
		if !found {
			return "", len(s.Src)
		}
		rest = after
	}
	start = len(s.Src) - len(rest)
	text, _, _ = strings.Cut(rest, "\n")
	return strings.TrimSuffix(text, "\r"), start
}
