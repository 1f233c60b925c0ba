package rewrite

import (
	"slices"
	"strings"

	"github.com/safesock/safesock/rewrite/jsonedit"
)

// Warn adds warnings to the JSON answer of an endpoint that has a place for
// them, and gives the id of what the Engine made, "" if there is none. An answer
// that it cannot read is returned as it came. What the Engine says itself is
// not said twice.
func Warn(answer []byte, warnings []string) (warned []byte, id string) {
	c := &reading{request: request{text: answer}}
	root := c.body()
	id = root.Field("Id").Text()
	list := root.Member("Warnings")
	own := list.OrAbsent().Texts()
	warnings = slices.DeleteFunc(slices.Clone(warnings), func(w string) bool { return slices.Contains(own, w) })
	if c.refusal != nil || root.Absent() || len(warnings) == 0 {
		return answer, id
	}
	var text strings.Builder
	for i, w := range warnings {
		if i > 0 {
			text.WriteString(",")
		}
		text.WriteString(jsonedit.Quote(w))
	}
	switch {
	case list.OrAbsent().Absent():
		c.Set(root, "Warnings", "["+text.String()+"]")
	case !list.IsList():
		return answer, id
	default:
		c.Insert(list, text.String())
	}
	warned, err := jsonedit.Splice(answer, c.Edits)
	if err != nil {
		return answer, id
	}
	return warned, id
}
