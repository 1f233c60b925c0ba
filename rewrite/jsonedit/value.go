package jsonedit

import (
	"encoding/json"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// Document is a tree that is being read.
type Document struct {
	*Tree
	Name string // tells documents apart
	// Refuse is told of a value that cannot be used. The pointer is the value's
	// JSON pointer.
	Refuse func(pointer, problem string)
}

// Root is the value that holds all others.
func (d *Document) Root() Value { return Value{doc: d} }

// Value is one value of a document. The zero value is absent: it has no bytes,
// and everything read from it is empty.
type Value struct {
	doc   *Document
	index int32 // of the value's node
}

func (v Value) node() *node { return &v.doc.nodes[v.index] }

// Absent reports whether the value is the zero Value.
func (v Value) Absent() bool { return v.doc == nil }

// Document is where the value is from, nil if the value is absent.
func (v Value) Document() *Document { return v.doc }

// IsRoot reports whether the value is a document's whole text.
func (v Value) IsRoot() bool { return v.doc != nil && v.index == 0 }

// Offset is where the value begins in its document's text, in bytes.
func (v Value) Offset() int {
	if v.Absent() {
		return 0
	}
	return int(v.node().start)
}

// IsObject reports whether the value is an object.
func (v Value) IsObject() bool { return v.doc != nil && v.node().kind == '{' }

// IsList reports whether the value is a list.
func (v Value) IsList() bool { return v.doc != nil && v.node().kind == '[' }

// OrAbsent is v, or the zero Value if v is null: null does not change what
// encoding/json decodes into.
func (v Value) OrAbsent() Value {
	if !v.Absent() && v.node().kind == 'n' {
		return Value{}
	}
	return v
}

// as is v, or the zero Value if v is null or of another kind. Another kind is
// refused.
func (v Value) as(kind byte, what string) Value {
	if v = v.OrAbsent(); v.Absent() || v.node().kind == kind {
		return v
	}
	v.Refuse("not " + what)
	return Value{}
}

// Object is v if it is an object. It is absent if v is null, and also if v is
// of another type, which is refused.
func (v Value) Object() Value { return v.as('{', "an object") }

// List does for lists what Object does for objects.
func (v Value) List() Value { return v.as('[', "a list") }

// Refuse tells the document that the value cannot be used.
func (v Value) Refuse(problem string) { v.doc.Refuse(v.Pointer(), problem) }

// Raw is the value's JSON text, "" if it is absent.
func (v Value) Raw() string {
	if v.Absent() {
		return ""
	}
	n := v.node()
	return v.doc.src[n.start:n.end]
}

// children are the members of an object or the items of a list.
func (v Value) children() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Absent() {
			return
		}
		n := v.node()
		if n.kind != '{' && n.kind != '[' {
			return
		}
		for i := v.index + 1; i < n.next; i = v.doc.nodes[i].next {
			if !yield(Value{v.doc, i}) {
				return
			}
		}
	}
}

// key is a member's key as encoding/json decodes it.
func (v Value) key() string {
	n := v.node()
	if n.bareKey {
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

// Member is the member of an object that encoding/json would decode into a
// field of this ASCII name. The member can be null. Two such members are refused,
// because encoding/json merges objects, and of other values takes the last.
func (v Value) Member(name string) Value {
	if v = v.Object(); v.Absent() {
		return Value{}
	}
	var found Value
	nodes, next := v.doc.nodes, int32(0)
	for i := v.index + 1; i < nodes[v.index].next; i = next {
		n := &nodes[i]
		next = n.next
		if n.bareKey && (int(n.colon-n.key) != len(name)+len(`""`) || v.doc.src[n.key+1]|0x20 != name[0]|0x20) {
			continue // faster than EqualFold: most keys differ in length or in their first letter
		}
		m := Value{v.doc, i}
		if !strings.EqualFold(m.key(), name) {
			continue
		}
		if !found.Absent() {
			v.Refuse(strconv.Quote(m.key()) + " appears twice")
		}
		found = m
	}
	return found
}

// Field is Member without null, which is absent.
func (v Value) Field(name string) Value { return v.Member(name).OrAbsent() }

// Members are the members of an object that is decoded into a map, with their
// keys. Members can be null. A key that appears twice is refused.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		var few [8]string // the first keys: most objects have no more and need no map
		var seen map[string]bool
		for m := range v.Object().children() {
			key, place := m.key(), int(m.node().place)
			if seen[key] || slices.Contains(few[:min(place, len(few))], key) {
				v.Refuse(strconv.Quote(key) + " appears twice")
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

// Pairs are the members of an object with their keys, which can appear twice.
func (v Value) Pairs() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for m := range v.Object().children() {
			if !yield(m.key(), m) {
				return
			}
		}
	}
}

// Items are the items of a list. Items can be null.
func (v Value) Items() iter.Seq[Value] { return v.List().children() }

// ItemsOrText are the items of a list. A string counts as a list of itself, as
// in Docker's type strslice.StrSlice.
func (v Value) ItemsOrText() iter.Seq[Value] {
	if !v.Absent() && v.node().kind == '"' {
		return func(yield func(Value) bool) { yield(v) }
	}
	return v.Items()
}

// Empty reports whether an object or list has no members or items. All other
// values are empty, too.
func (v Value) Empty() bool { return v.Absent() || v.node().next == v.index+1 }

// Len is how many members or items an object or list has. Other values have none.
func (v Value) Len() (n int) {
	for range v.children() {
		n++
	}
	return n
}

// Text is the value of a string, "" if it is absent or null.
func (v Value) Text() string {
	if v = v.as('"', "a string"); v.Absent() {
		return ""
	}
	n := v.node()
	if n.bare {
		return v.doc.src[n.start+1 : n.end-1]
	}
	return unquote(v.doc.src[n.start:n.end])
}

// Texts are the values of a list of strings.
func (v Value) Texts() []string {
	var all []string
	for item := range v.Items() {
		all = append(all, item.Text())
	}
	return all
}

// Flag is the value of a boolean, false if it is absent or null.
func (v Value) Flag() bool {
	if v.OrAbsent().Absent() {
		return false
	}
	switch v.node().kind {
	case 't':
		return true
	case 'f':
	default:
		v.Refuse("not true or false")
	}
	return false
}

// Number is the value of a whole number, 0 if it is absent or null.
func (v Value) Number() int64 {
	if v = v.as('0', "a number"); v.Absent() {
		return 0
	}
	n, err := strconv.ParseInt(v.Raw(), 10, 64)
	if err != nil {
		v.Refuse("not a whole number")
	}
	return n
}

// TextMap is an object whose values are strings, nil if it is empty.
func (v Value) TextMap() map[string]string {
	if v.OrAbsent().Empty() {
		return nil
	}
	all := make(map[string]string, v.Len())
	for key, m := range v.Members() {
		all[key] = m.Text()
	}
	return all
}

// Pointer is the value's JSON pointer (RFC 6901), with the keys as they are
// spelled in the text.
func (v Value) Pointer() string {
	var room [128]byte // enough for most pointers
	return string(v.appendPointer(room[:0]))
}

func (v Value) appendPointer(to []byte) []byte {
	if v.Absent() || v.node().parent < 0 {
		return to
	}
	n := v.node()
	parent := Value{v.doc, n.parent}
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
