package jsonedit

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
type Document struct {
	*Text
	Name   string // "" for the body of the call
	Refuse func(pointer, problem string)
}

// value is one value of a document. The zero value stands for what is absent
// or null; everything read from it is empty.
type Value struct {
	Doc *Document
	I   int32
}

func (v Value) Node() *node  { return &v.Doc.Nodes[v.I] }
func (v Value) Absent() bool { return v.Doc == nil }

// orAbsent is v, or the zero value if v is null: encoding/json leaves alone
// what it has to set to null.
func (v Value) OrAbsent() Value {
	if !v.Absent() && v.Node().Kind == 'n' {
		return Value{}
	}
	return v
}

// as is v, or the zero value if v is null or of another kind, which is refused.
func (v Value) as(kind byte, what string) Value {
	if v = v.OrAbsent(); v.Absent() || !v.Is(kind, what) {
		return Value{}
	}
	return v
}

// raw is the value's JSON text, "" if it is absent.
func (v Value) Raw() string {
	if v.Absent() {
		return ""
	}
	n := v.Node()
	return v.Doc.src[n.Start:n.End]
}

// children are the members of an object or the items of a list.
func (v Value) Children() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Absent() {
			return
		}
		n := v.Node()
		if n.Kind != '{' && n.Kind != '[' {
			return
		}
		for i := v.I + 1; i < n.Next; i = v.Doc.Nodes[i].Next {
			if !yield(Value{v.Doc, i}) {
				return
			}
		}
	}
}

// key is the member's key as encoding/json reads it.
func (v Value) Key() string {
	n := v.Node()
	if n.bare {
		return v.Doc.src[n.key+1 : n.colon-1]
	}
	return unquote(v.Doc.src[n.key:n.colon])
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
func (v Value) Member(name string) Value {
	if v = v.as('{', "an object"); v.Absent() {
		return Value{}
	}
	var found Value
	nodes, next := v.Doc.Nodes, int32(0)
	for i := v.I + 1; i < nodes[v.I].Next; i = next {
		n := &nodes[i]
		next = n.Next
		if n.bare && (int(n.colon-n.key) != len(name)+len(`""`) || v.Doc.src[n.key+1]|0x20 != name[0]|0x20) {
			continue // most keys differ in length or in their first letter
		}
		m := Value{v.Doc, i}
		if !strings.EqualFold(m.Key(), name) {
			continue
		}
		if !found.Absent() {
			v.Wrong(strconv.Quote(m.Key()) + " appears twice")
		}
		found = m
	}
	return found
}

// field is the value of an object's field, absent if it is null.
func (v Value) Field(name string) Value { return v.Member(name).OrAbsent() }

// members are the members of an object with keys of its own, null or not. A
// key that appears twice is refused.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		var few [8]string // most objects need no map
		var seen map[string]bool
		for m := range v.as('{', "an object").Children() {
			key, place := m.Key(), int(m.Node().place)
			if seen[key] || slices.Contains(few[:min(place, len(few))], key) {
				v.Wrong(strconv.Quote(key) + " appears twice")
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
func (v Value) Items() iter.Seq[Value] { return v.as('[', "a list").Children() }

// itemsOrText are the items of a list, or the one text that stands for a list
// of one in Docker's type strslice.StrSlice.
func (v Value) ItemsOrText() iter.Seq[Value] {
	if !v.Absent() && v.Node().Kind == '"' {
		return func(yield func(Value) bool) { yield(v) }
	}
	return v.Items()
}

// empty tells whether an object or list holds nothing.
func (v Value) Empty() bool { return v.Absent() || v.Node().Next == v.I+1 }

// text is the value of a string, "" if it is absent or null.
func (v Value) Text() string {
	if v = v.as('"', "a string"); v.Absent() {
		return ""
	}
	n := v.Node()
	if n.plain {
		return v.Doc.src[n.Start+1 : n.End-1]
	}
	return unquote(v.Doc.src[n.Start:n.End])
}

// texts are the strings of a list.
func (v Value) Texts() []string {
	var all []string
	for item := range v.Items() {
		all = append(all, item.Text())
	}
	return all
}

// flag is the value of a boolean, false if it is absent or null.
func (v Value) Flag() bool {
	if v.OrAbsent().Absent() {
		return false
	}
	if v.Node().Kind == 't' {
		return true
	}
	v.Is('f', "true or false")
	return false
}

// number is the value of a whole number, 0 if it is absent or null.
func (v Value) Number() int64 {
	if v = v.as('0', "a number"); v.Absent() {
		return 0
	}
	n, err := strconv.ParseInt(v.Raw(), 10, 64)
	if err != nil {
		v.Wrong("not a whole number")
	}
	return n
}

// textMap are the members of an object whose values are strings.
func (v Value) TextMap() map[string]string {
	if v.OrAbsent().Empty() {
		return nil
	}
	size := 0
	for range v.Children() {
		size++
	}
	all := make(map[string]string, size)
	for key, m := range v.Members() {
		all[key] = m.Text()
	}
	return all
}

func (v Value) Is(kind byte, what string) bool {
	if v.Node().Kind == kind {
		return true
	}
	v.Wrong("not " + what)
	return false
}

func (v Value) Wrong(problem string) { v.Doc.Refuse(v.Pointer(), problem) }

// pointer is the value's JSON pointer (RFC 6901), in the client's spelling of
// the keys.
func (v Value) Pointer() string {
	var room [128]byte // enough for most
	return string(v.appendPointer(room[:0]))
}

func (v Value) appendPointer(to []byte) []byte {
	if v.Absent() || v.Node().parent < 0 {
		return to
	}
	n := v.Node()
	parent := Value{v.Doc, n.parent}
	to = append(parent.appendPointer(to), '/')
	if parent.Node().Kind != '{' {
		return strconv.AppendInt(to, int64(n.place), 10)
	}
	key := v.Key()
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
