package policy

import (
	"bytes"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// operators are what other languages write between two conditions.
var operators = map[string]string{
	"=":   "To compare, write ==.",
	"and": "For and, write &&.",
	"or":  "For or, write ||.",
	"in":  "To look for one among many, write contains(list, value).",
	"is":  "To compare, write ==.",
}

// clearer adds to what HCL says about syntax what the author may have meant.
func clearer(diag *hcl.Diagnostic, src []byte) *hcl.Diagnostic {
	at := subject(diag)
	if !at.CanSliceBytes(src) {
		return diag
	}
	advice := ""
	switch text := string(at.SliceBytes(src)); diag.Summary {
	case "Missing newline after argument":
		advice = operators[text]
		if bytes.HasSuffix(bytes.TrimRight(src[:at.Start.Byte], " "), []byte(" not")) {
			advice = "For not, write !."
		}
	case "Invalid single-argument block definition":
		advice = "Write each attribute on a line of its own, and the closing brace, too."
	case "Argument or block definition required":
		if strings.HasPrefix(string(src[at.End.Byte:]), ":") {
			advice = "Write " + text + " = …"
		}
	}
	if advice == "" {
		return diag
	}
	clear := *diag
	clear.Detail = advice
	return &clear
}
