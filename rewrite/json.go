package rewrite

import (
	"encoding/json"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// document is a JSON text that is being read, as encoding/json reads it into
// Docker's types, which is what Engines do. What could be read in two ways is
// refused.
type document struct {
	*scanned
	name   string // "" for the body of the call
	refuse func(pointer, problem string)
}

// value is one value of a document. The zero value stands for what is absent
// or null; everything read from it is empty.
type value struct {
	doc *document
	i   int32
}

func (v value) node() *node  { return &v.doc.nodes[v.i] }
func (v value) absent() bool { return v.doc == nil }

// orAbsent is v, or the zero value if v is null: encoding/json leaves alone
// what it has to set to null.
func (v value) orAbsent() value {
	if !v.absent() && v.node().kind == 'n' {
		return value{}
	}
	return v
}

// as is v, or the zero value if v is null or of another kind, which is refused.
func (v value) as(kind byte, what string) value {
	if v = v.orAbsent(); v.absent() || !v.is(kind, what) {
		return value{}
	}
	return v
}

// raw is the value's JSON text, "" if it is absent.
func (v value) raw() string {
	if v.absent() {
		return ""
	}
	n := v.node()
	return v.doc.src[n.start:n.end]
}

// children are the members of an object or the items of a list.
func (v value) children() iter.Seq[value] {
	return func(yield func(value) bool) {
		if v.absent() {
			return
		}
		n := v.node()
		if n.kind != '{' && n.kind != '[' {
			return
		}
		for i := v.i + 1; i < n.next; i = v.doc.nodes[i].next {
			if !yield(value{v.doc, i}) {
				return
			}
		}
	}
}

// key is the member's key as encoding/json reads it.
func (v value) key() string {
	n := v.node()
	if n.bare {
		return v.doc.src[n.key+1 : n.colon-1]
	}
	return unquote(v.doc.src[n.key:n.colon])
}

func unquote(quoted string) string {
	var s string
	if err := json.Unmarshal([]byte(quoted), &s); err != nil {
		panic(err) // the scanner accepts only what encoding/json accepts
	}
	return s
}

// member is the member that encoding/json would put into a field of this name,
// which is ASCII, null or not. Two of them are refused: Engines merge objects
// and let the last of other values win.
func (v value) member(name string) value {
	if v = v.as('{', "an object"); v.absent() {
		return value{}
	}
	var found value
	nodes, next := v.doc.nodes, int32(0)
	for i := v.i + 1; i < nodes[v.i].next; i = next {
		n := &nodes[i]
		next = n.next
		if n.bare && (int(n.colon-n.key) != len(name)+len(`""`) || v.doc.src[n.key+1]|0x20 != name[0]|0x20) {
			continue // most keys differ in length or in their first letter
		}
		m := value{v.doc, i}
		if !strings.EqualFold(m.key(), name) {
			continue
		}
		if !found.absent() {
			v.wrong(strconv.Quote(m.key()) + " appears twice")
		}
		found = m
	}
	return found
}

// field is the value of an object's field, absent if it is null.
func (v value) field(name string) value { return v.member(name).orAbsent() }

// members are the members of an object with keys of its own, null or not. A
// key that appears twice is refused.
func (v value) members() iter.Seq2[string, value] {
	return func(yield func(string, value) bool) {
		var few [8]string // most objects need no map
		var seen map[string]bool
		for m := range v.as('{', "an object").children() {
			key, place := m.key(), int(m.node().place)
			if seen[key] || slices.Contains(few[:min(place, len(few))], key) {
				v.wrong(strconv.Quote(key) + " appears twice")
			}
			if place < len(few) {
				few[place] = key
			} else {
				if seen == nil {
					seen = map[string]bool{}
				}
				seen[key] = true
			}
			if !yield(key, m) {
				return
			}
		}
	}
}

// items are the items of a list, null or not.
func (v value) items() iter.Seq[value] { return v.as('[', "a list").children() }

// itemsOrText are the items of a list, or the one text that stands for a list
// of one in Docker's type strslice.StrSlice.
func (v value) itemsOrText() iter.Seq[value] {
	if !v.absent() && v.node().kind == '"' {
		return func(yield func(value) bool) { yield(v) }
	}
	return v.items()
}

// empty tells whether an object or list holds nothing.
func (v value) empty() bool { return v.absent() || v.node().next == v.i+1 }

// text is the value of a string, "" if it is absent or null.
func (v value) text() string {
	if v = v.as('"', "a string"); v.absent() {
		return ""
	}
	n := v.node()
	if n.plain {
		return v.doc.src[n.start+1 : n.end-1]
	}
	return unquote(v.doc.src[n.start:n.end])
}

// texts are the strings of a list.
func (v value) texts() []string {
	var all []string
	for item := range v.items() {
		all = append(all, item.text())
	}
	return all
}

// flag is the value of a boolean, false if it is absent or null.
func (v value) flag() bool {
	if v.orAbsent().absent() {
		return false
	}
	if v.node().kind == 't' {
		return true
	}
	v.is('f', "true or false")
	return false
}

// number is the value of a whole number, 0 if it is absent or null.
func (v value) number() int64 {
	if v = v.as('0', "a number"); v.absent() {
		return 0
	}
	n, err := strconv.ParseInt(v.raw(), 10, 64)
	if err != nil {
		v.wrong("not a whole number")
	}
	return n
}

// textMap are the members of an object whose values are strings.
func (v value) textMap() map[string]string {
	if v.orAbsent().empty() {
		return nil
	}
	size := 0
	for range v.children() {
		size++
	}
	all := make(map[string]string, size)
	for key, m := range v.members() {
		all[key] = m.text()
	}
	return all
}

func (v value) is(kind byte, what string) bool {
	if v.node().kind == kind {
		return true
	}
	v.wrong("not " + what)
	return false
}

func (v value) wrong(problem string) { v.doc.refuse(v.pointer(), problem) }

// pointer is the value's JSON pointer (RFC 6901), in the client's spelling of
// the keys.
func (v value) pointer() string {
	var room [128]byte // enough for most
	return string(v.appendPointer(room[:0]))
}

func (v value) appendPointer(to []byte) []byte {
	if v.absent() || v.node().parent < 0 {
		return to
	}
	n := v.node()
	parent := value{v.doc, n.parent}
	to = append(parent.appendPointer(to), '/')
	if parent.node().kind != '{' {
		return strconv.AppendInt(to, int64(n.place), 10)
	}
	key := v.key()
	for i := range len(key) {
		switch key[i] {
		case '~':
			to = append(to, "~0"...)
		case '/':
			to = append(to, "~1"...)
		default:
			to = append(to, key[i])
		}
	}
	return to
}
