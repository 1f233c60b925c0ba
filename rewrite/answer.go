package rewrite

import (
	"slices"
	"strings"

	"github.com/safesock/safesock/rewrite/jsonedit"
)

// Warn adds warnings to the JSON answer of an endpoint with the trait Warns, except
// those that the answer has already. It also returns the id of the object that the
// Engine created, "" if the answer has no id. An answer that cannot be read is
// returned as it came.
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

// Unpin puts the names of a call back into the message of an error that the Engine
// answered, so that people read what they typed. The rest of the answer stays as
// it came, and so does an answer that cannot be read.
func Unpin(answer []byte, pins []Pin) []byte {
	c := &reading{request: request{text: answer}}
	message := c.body().Member("message")
	before := message.OrAbsent().Raw()
	after := before
	for _, pin := range pins {
		name := jsonedit.Quote(pin.Name)
		after = strings.ReplaceAll(after, pin.ID, name[1:len(name)-1])
	}
	if c.refusal != nil || after == before {
		return answer
	}
	c.Replace(message, after)
	unpinned, err := jsonedit.Splice(answer, c.Edits)
	if err != nil {
		return answer
	}
	return unpinned
}
