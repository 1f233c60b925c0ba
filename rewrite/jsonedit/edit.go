package jsonedit

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// edit puts a text in the place of some bytes. Every other byte stays.
type Edit struct {
	Start, End int32
	text       string
	inserted   bool   // one more member or item, at the start of an object or list
	tail       string // what separates inserted ones from what was there
}

// edits are what has to change in one document.
type Edits []Edit

// splice makes edits, which must not overlap, and leaves them in their order.
func Splice[text string | []byte](src text, edits Edits) ([]byte, error) {
	slices.SortStableFunc(edits, func(a, b Edit) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End))
	})
	size := len(src)
	for _, e := range edits {
		size += len(e.text) + 1
	}
	out := make([]byte, 0, size)
	at := int32(0)
	for i, e := range edits {
		if e.Start < at || e.End < e.Start || int(e.End) > len(src) {
			return nil, fmt.Errorf("two changes overlap at byte %d", e.Start)
		}
		out = append(out, src[at:e.Start]...)
		out = append(out, e.text...)
		if e.inserted {
			if i+1 < len(edits) && edits[i+1].inserted && edits[i+1].Start == e.Start {
				out = append(out, ',')
			} else {
				out = append(out, e.tail...)
			}
		}
		at = e.End
	}
	return append(out, src[at:]...), nil
}

// replace puts a JSON text in the place of a value.
func (all *Edits) Replace(v Value, text string) {
	n := v.Node()
	*all = append(*all, Edit{Start: n.Start, End: n.End, text: text})
}

// insert adds a member or an item at the start of an object or list.
func (all *Edits) Insert(v Value, text string) {
	e := Edit{Start: v.Node().Start + 1, text: text, inserted: true}
	e.End = e.Start
	if !v.Empty() {
		e.tail = ","
	}
	*all = append(*all, e)
}

// set gives an object's member a new JSON text, and adds it if it is missing.
func (all *Edits) Set(object Value, name, text string) {
	if m := object.Member(name); !m.Absent() {
		all.Replace(m, text)
		return
	}
	all.Insert(object, Quote(name)+":"+text)
}

// setInside is set; it gives the object's new text.
func (all *Edits) SetInside(object Value, name, text string) string {
	var inside Edits
	inside.Set(object, name, text)
	changed := inside.Made(object)
	all.Replace(object, changed)
	return changed
}

// made is the text of a value, with all edits made inside it.
func (all Edits) Made(v Value) string {
	n := v.Node()
	for i := range all {
		all[i].Start -= n.Start
		all[i].End -= n.Start
	}
	text, err := Splice(v.Raw(), all)
	if err != nil {
		panic(err) // the members of one object do not overlap
	}
	return string(text)
}

// quote is a text as JSON, without the escapes that HTML needs.
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

// WithItems is the text of a list with other items, as many as it has, in the
// place of its own, and with new ones before them. An item that is empty is left
// out. What stands between the items stays. A list that is absent, null or empty
// can get any number of items.
func (v Value) WithItems(items []string, before ...string) string {
	open, gaps, end := "[", make([]string, len(items)), "]" // the text before the first item, before each other one, and behind the last
	if !v.OrAbsent().Empty() {
		n, i := v.Node(), 0
		at := n.Start
		for item := range v.Children() {
			if gaps[i] = v.Doc.src[at:item.Node().Start]; i == 0 {
				open = gaps[i]
			}
			at = item.Node().End
			i++
		}
		end = v.Doc.src[at:n.End]
	}
	var out strings.Builder
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
	return out.String() + end
}
