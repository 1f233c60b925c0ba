package rewrite

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// document is a JSON text, scanned once: every value and where its bytes are.
// It is read as encoding/json reads it into Docker's types, which is what
// Engines do; what could be read in two ways is refused.
type document struct {
	name   string // "" for the body of the call
	src    []byte
	nodes  []node // in the order of the text, each object or list before what it holds
	refuse func(pointer, problem string)
}

// node is one value of a document.
type node struct {
	kind       byte  // its first byte: { [ " t f n, and 0 for every number
	bare       bool  // whether the key is ASCII without escapes
	plain      bool  // whether the string is
	start, end int32 // the value's bytes
	key, colon int32 // the bytes of the member's key, quotes included; both 0 in a list
	parent     int32 // the node that holds it, -1 at the top
	next       int32 // the first node behind it and all that it holds
	place      int32 // how many are before it in the node that holds it
}

// maxDepth is how deep encoding/json follows nested values.
const maxDepth = 10000

// scan finds the values of a JSON text. Every text that it accepts is valid for
// encoding/json, and nothing but white space follows its one value.
func scan(src []byte) ([]node, error) {
	s := scanner{src: src, nodes: make([]node, 0, 16+len(src)/16)}
	s.space()
	if err := s.value(node{parent: -1}, 0); err != nil {
		return nil, err
	}
	s.space()
	if s.at != len(src) {
		return nil, fmt.Errorf("something follows the JSON value at byte %d", s.at)
	}
	return s.nodes, nil
}

type scanner struct {
	src   []byte
	at    int
	nodes []node
}

func (s *scanner) peek() byte {
	if s.at < len(s.src) {
		return s.src[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for s.at < len(s.src) {
		switch s.src[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

func (s *scanner) wrong() error {
	if s.at >= len(s.src) {
		return errors.New("the JSON ends too early")
	}
	return fmt.Errorf("not JSON: %q at byte %d", s.src[s.at], s.at)
}

// value scans a value, of which the node tells where it is held.
func (s *scanner) value(n node, depth int) error {
	if depth >= maxDepth {
		return fmt.Errorf("the JSON is nested %d deep or deeper", maxDepth)
	}
	i := int32(len(s.nodes))
	n.kind, n.start = s.peek(), int32(s.at)
	s.nodes = append(s.nodes, n)
	var err error
	switch c := s.peek(); c {
	case '{':
		err = s.object(i, depth)
	case '[':
		err = s.list(i, depth)
	case '"':
		s.nodes[i].plain, err = s.text()
	case 't':
		err = s.word("true")
	case 'f':
		err = s.word("false")
	case 'n':
		err = s.word("null")
	default:
		s.nodes[i].kind = '0'
		err = s.number()
	}
	s.nodes[i].end = int32(s.at)
	s.nodes[i].next = int32(len(s.nodes))
	return err
}

func (s *scanner) object(i int32, depth int) error {
	s.at++
	s.space()
	if s.peek() == '}' {
		s.at++
		return nil
	}
	for member := (node{parent: i}); ; member.place++ {
		if s.peek() != '"' {
			return s.wrong()
		}
		var err error
		member.key = int32(s.at)
		if member.bare, err = s.text(); err != nil {
			return err
		}
		member.colon = int32(s.at)
		s.space()
		if s.peek() != ':' {
			return s.wrong()
		}
		s.at++
		s.space()
		if err := s.value(member, depth+1); err != nil {
			return err
		}
		s.space()
		switch s.peek() {
		case ',':
			s.at++
			s.space()
		case '}':
			s.at++
			return nil
		default:
			return s.wrong()
		}
	}
}

func (s *scanner) list(i int32, depth int) error {
	s.at++
	s.space()
	if s.peek() == ']' {
		s.at++
		return nil
	}
	for item := (node{parent: i}); ; item.place++ {
		if err := s.value(item, depth+1); err != nil {
			return err
		}
		s.space()
		switch s.peek() {
		case ',':
			s.at++
			s.space()
		case ']':
			s.at++
			return nil
		default:
			return s.wrong()
		}
	}
}

// text passes over a string, and tells whether it is ASCII without escapes.
func (s *scanner) text() (bare bool, err error) {
	bare = true
	for s.at++; s.at < len(s.src); s.at++ {
		switch c := s.src[s.at]; {
		case c == '"':
			s.at++
			return bare, nil
		case c == '\\':
			bare = false
			s.at++
			switch s.peek() {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				for range 4 {
					s.at++
					if !strings.ContainsRune("0123456789abcdefABCDEF", rune(s.peek())) {
						return false, s.wrong()
					}
				}
			default:
				return false, s.wrong()
			}
		case c < ' ':
			return false, s.wrong()
		case c >= utf8.RuneSelf:
			bare = false
		}
	}
	return false, s.wrong()
}

func (s *scanner) word(w string) error {
	for i := range w {
		if s.peek() != w[i] {
			return s.wrong()
		}
		s.at++
	}
	return nil
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if err := s.digits(); err != nil {
		return err
	}
	if s.peek() == '.' {
		s.at++
		if err := s.digits(); err != nil {
			return err
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		return s.digits()
	}
	return nil
}

func (s *scanner) digits() error {
	if c := s.peek(); c < '0' || c > '9' {
		return s.wrong()
	}
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.at++
	}
	return nil
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

// raw is the value's JSON text, "" if it is absent.
func (v value) raw() string {
	if v.absent() {
		return ""
	}
	n := v.node()
	return string(v.doc.src[n.start:n.end])
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
		return string(v.doc.src[n.key+1 : n.colon-1])
	}
	return unquote(v.doc.src[n.key:n.colon])
}

func unquote(quoted []byte) string {
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		panic(err) // the scanner accepts only what encoding/json accepts
	}
	return s
}

// named tells whether encoding/json would put the member into a field of this
// name, which is ASCII.
func (v value) named(name string) bool {
	n := v.node()
	if n.bare {
		key := v.doc.src[n.key+1 : n.colon-1]
		return len(key) == len(name) && key[0]|0x20 == name[0]|0x20 && strings.EqualFold(string(key), name)
	}
	return strings.EqualFold(v.key(), name)
}

// member is the member that encoding/json would put into a field of this name,
// null or not. Two of them are refused: Engines merge objects and let the last
// of other values win.
func (v value) member(name string) value {
	if v.orAbsent().absent() || !v.is('{', "an object") {
		return value{}
	}
	var found value
	for m := range v.children() {
		if !m.named(name) {
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
		if v.orAbsent().absent() || !v.is('{', "an object") {
			return
		}
		var few [8]string // most objects need no map
		var seen map[string]bool
		for m := range v.children() {
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
func (v value) items() iter.Seq[value] {
	if v.orAbsent().absent() || !v.is('[', "a list") {
		return func(func(value) bool) {}
	}
	return v.children()
}

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
	if v.orAbsent().absent() || !v.is('"', "a string") {
		return ""
	}
	n := v.node()
	if n.plain {
		return string(v.doc.src[n.start+1 : n.end-1])
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
	if v.orAbsent().absent() || !v.is('0', "a number") {
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
	all := map[string]string{}
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
	if v.absent() {
		return ""
	}
	n := v.node()
	if n.parent < 0 {
		return ""
	}
	parent := value{v.doc, n.parent}
	if parent.node().kind == '{' {
		return parent.pointer() + "/" + pointerStep(v.key())
	}
	return parent.pointer() + "/" + strconv.Itoa(int(n.place))
}

var pointerStep = strings.NewReplacer("~", "~0", "/", "~1").Replace
