package rewrite

import (
	"bytes"
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

// splice makes edits, which must not overlap.
func splice(src []byte, edits []edit) ([]byte, error) {
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b edit) int {
		if a.start != b.start {
			return int(a.start - b.start)
		}
		return int(a.end - b.end)
	})
	size := len(src)
	for _, e := range edits {
		size += len(e.text) + 1
	}
	out := bytes.NewBuffer(make([]byte, 0, size))
	at := int32(0)
	for i, e := range edits {
		if e.start < at || e.end < e.start || int(e.end) > len(src) {
			return nil, fmt.Errorf("two changes overlap at byte %d", e.start)
		}
		out.Write(src[at:e.start])
		out.WriteString(e.text)
		if e.inserted {
			if i+1 < len(edits) && edits[i+1].inserted && edits[i+1].start == e.start {
				out.WriteString(",")
			} else {
				out.WriteString(e.tail)
			}
		}
		at = e.end
	}
	out.Write(src[at:])
	return out.Bytes(), nil
}

// replace puts a JSON text in the place of a value.
func (c *call) replace(v value, text string) {
	n := v.node()
	c.edits = append(c.edits, edit{start: n.start, end: n.end, text: text})
}

// insert adds a member or an item at the start of an object or list.
func (c *call) insert(v value, text string) {
	e := edit{start: v.node().start + 1, text: text, inserted: true}
	e.end = e.start
	if !v.empty() {
		e.tail = ","
	}
	c.edits = append(c.edits, e)
}

// set gives an object's member a new JSON text, and adds it if it is missing.
func (c *call) set(object value, name, text string) {
	if m := object.member(name); !m.absent() {
		c.replace(m, text)
		return
	}
	c.insert(object, quote(name)+":"+text)
}

// rewritten is a value's text with changes inside it.
func rewritten(v value, change func(*call)) string {
	var c call
	change(&c)
	n := v.node()
	for i := range c.edits {
		c.edits[i].start -= n.start
		c.edits[i].end -= n.start
	}
	text, err := splice(v.doc.src[n.start:n.end], c.edits)
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
