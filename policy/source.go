package policy

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// File is one policy file.
type File struct {
	Name string // for messages, as in "policy.hcl"
	Src  []byte

	// MayBeEmpty is true for /dev/null and the like. Any other file without a
	// rule and a setting is a mistake: it was cut short, or has lost its rules.
	MayBeEmpty bool

	// Local is set if Src is not a file but another value for the local of this
	// name, which a file has to define. A value that begins with a quote, [ or {
	// is an HCL expression. true, false and numbers are a bool or a number,
	// unless the file has a string in quotes there. Anything else is a string.
	Local string

	// Builtin marks the policy that comes with safesock: it is left out if
	// another file sets inherit = false.
	Builtin bool
}

// source is a policy file, parsed.
type source struct {
	File
	id  string    // the name in HCL's ranges, which no other file has
	hcl *hcl.File // nil if HCL could make nothing of it
}

// start is the position from which HCL counts.
var start = hcl.Pos{Line: 1, Column: 1}

// beginning is the range of diagnostics about the file as a whole.
func (s *source) beginning() hcl.Range { return hcl.Range{Filename: s.id, Start: start, End: start} }

// block returns the header of the block around a byte of the file, "" if there
// is none.
func (s *source) block(offset int) string {
	if s.hcl == nil {
		return ""
	}
	nav, ok := s.hcl.Nav.(interface{ ContextString(int) string })
	if !ok {
		return ""
	}
	return nav.ContextString(offset)
}

// line returns the text of a line, counted from 1, and the offset of its first
// byte.
func (s *source) line(n int) (text string, offset int) {
	rest := string(s.Src)
	for ; n > 1; n-- {
		_, after, found := strings.Cut(rest, "\n")
		if !found {
			return "", len(s.Src)
		}
		rest = after
	}
	offset = len(s.Src) - len(rest)
	text, _, _ = strings.Cut(rest, "\n")
	return strings.TrimSuffix(text, "\r"), offset
}
