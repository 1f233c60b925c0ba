package policy

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
)

// loader reads policy files and collects the mistakes in them.
type loader struct {
	names  Names
	files  []*source
	locals locals
	diags  hcl.Diagnostics

	incomplete bool                 // a file could not be parsed: it may define anything that is missing
	first      map[string]hcl.Range // where each setting, local and rule is defined first
}

func newLoader(names Names, files []File) *loader {
	l := &loader{names: names, locals: locals{}, first: map[string]hcl.Range{}}
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

// fault adds a mistake.
func (l *loader) fault(at hcl.Range, summary, format string, args ...any) {
	l.diags = append(l.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &at,
	})
}

// warn adds a warning.
func (l *loader) warn(at hcl.Range, summary, format string, args ...any) {
	l.fault(at, summary, format, args...)
	l.diags[len(l.diags)-1].Severity = hcl.DiagWarning
}

// once faults the second definition of a name.
func (l *loader) once(name string, at hcl.Range, summary string) {
	if first, ok := l.first[name]; ok {
		l.fault(at, summary, "The first one is at %s:%d.", first.Filename, first.Start.Line)
		return
	}
	l.first[name] = at
}
