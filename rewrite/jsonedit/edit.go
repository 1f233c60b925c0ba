package jsonedit

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Edits are changes to one JSON text. The zero value has none.
type Edits []edit

// edit puts a text in the place of some bytes.
type edit struct {
	start, end int32
	text       string
	inserted   bool   // the text is a new member or item, at the start of an object or list
	tail       string // separates the last inserted text from what was there
}

// Splice returns src with the edits made. It is an error if two edits overlap.
// The edits are sorted by their place.
func Splice[text string | []byte](src text, edits Edits) ([]byte, error) {
	slices.SortStableFunc(edits, func(a, b edit) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.end, b.end))
	})
	size := len(src)
	for _, e := range edits {
		size += len(e.text) + 1
	}
	out := make([]byte, 0, size)
	at := int32(0)
	for i, e := range edits {
		if e.start < at || e.end < e.start || int(e.end) > len(src) {
			return nil, fmt.Errorf("two changes overlap at byte %d", e.start)
		}
		out = append(out, src[at:e.start]...)
		out = append(out, e.text...)
		if e.inserted {
			if i+1 < len(edits) && edits[i+1].inserted && edits[i+1].start == e.start {
				out = append(out, ',')
			} else {
				out = append(out, e.tail...)
			}
		}
		at = e.end
	}
	return append(out, src[at:]...), nil
}

// Replace puts a JSON text in the place of a value.
func (all *Edits) Replace(v Value, text string) {
	n := v.node()
	*all = append(*all, edit{start: n.start, end: n.end, text: text})
}

// Insert adds a member or an item at the start of an object or list.
func (all *Edits) Insert(v Value, text string) {
	e := edit{start: v.node().start + 1, text: text, inserted: true}
	e.end = e.start
	if !v.Empty() {
		e.tail = ","
	}
	*all = append(*all, e)
}

// Set gives an object's member a new JSON text. A missing member is added.
func (all *Edits) Set(object Value, name, text string) {
	if m := object.Member(name); !m.Absent() {
		all.Replace(m, text)
		return
	}
	all.Insert(object, Quote(name)+":"+text)
}

// SetInside does what Set does, by replacing the whole object, and returns the
// object's new text.
func (all *Edits) SetInside(object Value, name, text string) string {
	var inside Edits
	inside.Set(object, name, text)
	changed := inside.Inside(object)
	all.Replace(object, changed)
	return changed
}

// Inside returns the text of one value, with the edits made. Every edit must
// lie in that value. The edits cannot be used again.
func (all Edits) Inside(v Value) string {
	n := v.node()
	for i := range all {
		all[i].start -= n.start
		all[i].end -= n.start
	}
	text, err := Splice(v.Raw(), all)
	if err != nil {
		panic(err) // the members of an object do not overlap
	}
	return string(text)
}

// Quote returns a string as JSON, without the escapes that HTML needs.
func Quote(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= utf8.RuneSelf || r == '"' || r == '\\' }) {
		return `"` + s + `"`
	}
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(err) // a string can always be encoded
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// WithItems returns the text of a list with its items replaced, and with new
// items before them. There must be as many items as the list has; an empty text
// leaves an item out. The bytes between the items stay. A list that is absent,
// null or empty takes any number of items.
func (v Value) WithItems(items []string, before ...string) string {
	open, end := "[", "]"              // the text before the first item and after the last
	gaps := make([]string, len(items)) // the text before each other item
	if !v.OrAbsent().Empty() {
		n, i := v.node(), 0
		at := n.start
		for item := range v.children() {
			if gaps[i] = v.doc.src[at:item.node().start]; i == 0 {
				open = gaps[i]
			}
			at = item.node().end
			i++
		}
		end = v.doc.src[at:n.end]
	}
	size := len(v.Raw())
	for _, item := range items {
		size += len(item)
	}
	var out strings.Builder
	out.Grow(size)
	out.WriteString(open)
	written := 0
	for i, item := range append(before, items...) {
		if item == "" {
			continue
		}
		if written++; written > 1 {
			gap := ","
			if i -= len(before); i > 0 && gaps[i] != "" {
				gap = gaps[i]
			}
			out.WriteString(gap)
		}
		out.WriteString(item)
	}
	out.WriteString(end)
	return out.String()
}
