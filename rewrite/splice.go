package rewrite

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// edit puts a text in the place of some bytes. Every other byte stays.
type edit struct {
	start, end int32
	text       string
	inserted   bool   // one more member or item, at the start of an object or list
	tail       string // what separates inserted ones from what was there
}

// edits are what has to change in one document.
type edits []edit

// splice makes edits, which must not overlap, and leaves them in their order.
func splice[text string | []byte](src text, edits edits) ([]byte, error) {
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

// replace puts a JSON text in the place of a value.
func (all *edits) replace(v value, text string) {
	n := v.node()
	*all = append(*all, edit{start: n.start, end: n.end, text: text})
}

// insert adds a member or an item at the start of an object or list.
func (all *edits) insert(v value, text string) {
	e := edit{start: v.node().start + 1, text: text, inserted: true}
	e.end = e.start
	if !v.empty() {
		e.tail = ","
	}
	*all = append(*all, e)
}

// set gives an object's member a new JSON text, and adds it if it is missing.
func (all *edits) set(object value, name, text string) {
	if m := object.member(name); !m.absent() {
		all.replace(m, text)
		return
	}
	all.insert(object, quote(name)+":"+text)
}

// setInside is set; it gives the object's new text.
func (all *edits) setInside(object value, name, text string) string {
	var inside edits
	inside.set(object, name, text)
	changed := inside.made(object)
	all.replace(object, changed)
	return changed
}

// made is the text of a value, with all edits made inside it.
func (all edits) made(v value) string {
	n := v.node()
	for i := range all {
		all[i].start -= n.start
		all[i].end -= n.start
	}
	text, err := splice(v.raw(), all)
	if err != nil {
		panic(err) // the members of one object do not overlap
	}
	return string(text)
}

// quote is a text as JSON, without the escapes that HTML needs.
func quote(s string) string {
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
