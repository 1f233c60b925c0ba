package policy

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// Diagnostics are the mistakes or the warnings about policies, in the order of
// their files and lines.
type Diagnostics struct{ List []Diagnostic }

// Diagnostic is one mistake, or one warning.
type Diagnostic struct {
	Warning bool
	Summary string // the problem in a few words
	Detail  string // the reason, and what to write instead
	File    string // as given to Parse
	Line    int    // from 1
	Column  int    // from 1, in characters
	Text    string // all of it for a person, with the source line; ends with a line break
}

// Error is the text of all of them.
func (d *Diagnostics) Error() string {
	texts := make([]string, len(d.List))
	for i, diag := range d.List {
		texts[i] = diag.Text
	}
	return strings.TrimRight(strings.Join(texts, "\n"), "\n")
}

// String is the text of one.
func (d Diagnostic) String() string { return d.Text }

// report converts HCL's diagnostics: in order, and without repetitions.
func report(files []*source, diags hcl.Diagnostics) *Diagnostics {
	order := func(d *hcl.Diagnostic) int {
		return slices.IndexFunc(files, func(f *source) bool { return f.id == subject(d).Filename })
	}
	diags = slices.Clone(diags)
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		if by := order(a) - order(b); by != 0 {
			return by
		}
		return subject(a).Start.Byte - subject(b).Start.Byte
	})
	d := &Diagnostics{}
	seen := map[string]bool{}
	for _, diag := range diags {
		f := &source{}
		if i := order(diag); i >= 0 {
			f = files[i]
		}
		text := render(f, diag)
		if seen[text] {
			continue
		}
		seen[text] = true
		d.List = append(d.List, Diagnostic{
			Warning: diag.Severity == hcl.DiagWarning,
			Summary: diag.Summary,
			Detail:  diag.Detail,
			File:    f.Name,
			Line:    subject(diag).Start.Line,
			Column:  subject(diag).Start.Column,
			Text:    text,
		})
	}
	return d
}

// subject returns the faulty part of the source.
func subject(d *hcl.Diagnostic) hcl.Range {
	if d.Subject == nil {
		return hcl.Range{}
	}
	return *d.Subject
}

// maxLines is how many source lines of one mistake are shown.
const maxLines = 5

// render writes a diagnostic with its source lines, the faulty part marked.
func render(f *source, diag *hcl.Diagnostic) string {
	var b strings.Builder
	severity := "Error"
	if diag.Severity == hcl.DiagWarning {
		severity = "Warning"
	}
	fmt.Fprintf(&b, "%s: %s\n\n", severity, diag.Summary)
	if diag.Subject != nil {
		at := *diag.Subject
		fmt.Fprintf(&b, "  on %s line %d", at.Filename, at.Start.Line)
		if block := f.block(at.Start.Byte); block != "" {
			fmt.Fprintf(&b, ", in %s", block)
		}
		b.WriteString(":\n")
		for line := at.Start.Line; line <= at.End.Line && line < at.Start.Line+maxLines; line++ {
			text, offset := f.line(line)
			fmt.Fprintf(&b, "%4d: %s\n", line, text)
			if line == at.Start.Line {
				fmt.Fprintf(&b, "      %s\n", underline(text, at.Start.Byte-offset, at.End.Byte-offset))
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
