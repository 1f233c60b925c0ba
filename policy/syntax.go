package policy

import (
	"github.com/hashicorp/hcl/v2"
)

// operators are those of other languages, with what HCL has instead.
var operators = map[string]string{
	"=":   "To compare, write ==.",
	"is":  "To compare, write ==.",
	"and": "For and, write &&.",
	"or":  "For or, write ||.",
	"in":  "To look for a value in a list, write contains(list, value).",
}

// clearer returns a diagnostic about syntax. Its detail says what to write
// instead of an operator of another language.
func clearer(diag *hcl.Diagnostic, src []byte) *hcl.Diagnostic {
	at := subject(diag)
	if diag.Summary != "Missing newline after argument" || !at.CanSliceBytes(src) {
		return diag
	}
	advice, ok := operators[string(at.SliceBytes(src))]
	if !ok {
		return diag
	}
	clear := *diag
	clear.Detail = advice
	return &clear
}

// Diagnose converts what HCL finds wrong with a file. The file need not be a
// policy: it may hold test cases. The parsed file may be nil.
func Diagnose(f File, parsed *hcl.File, diags hcl.Diagnostics) *Diagnostics {
	clear := make(hcl.Diagnostics, len(diags))
	for i, diag := range diags {
		clear[i] = clearer(diag, f.Src)
	}
	return report([]*source{{File: f, id: f.Name, hcl: parsed}}, clear)
}
