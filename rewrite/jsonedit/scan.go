package jsonedit

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Tree is a JSON text and the place of every value in it. It never changes, so
// that several documents can share it.
type Tree struct {
	src   string // keys, strings and numbers are read from this text
	nodes []node // in the order of the text: an object or list comes before its members or items
}

// node is one value of a JSON text.
type node struct {
	kind       byte  // the first byte of the value: { [ " t f n, and 0 for every number
	bareKey    bool  // whether the key is ASCII without escapes
	bare       bool  // whether the string is ASCII without escapes
	start, end int32 // the value's bytes
	key, colon int32 // the bytes of the member's key, quotes included; both are 0 in a list
	parent     int32 // the object or list that holds the value, -1 at the root
	next       int32 // the first node after the value and everything in it
	place      int32 // how many members or items precede the value in its parent
}

// maxValues bounds the memory that one text takes. A create that publishes
// every port stays below.
const maxValues = 1 << 20

// maxDepth is how deep encoding/json follows nested values.
const maxDepth = 10000

// Parse finds the values of a JSON text. Every text that it accepts is valid for
// encoding/json, and nothing but white space follows its one value.
func Parse(src string) (*Tree, error) {
	values := 1 + strings.Count(src, ",") + strings.Count(src, "{") + strings.Count(src, "[")
	if values > longText {
		values = min(mostValues(src), maxValues)
	} else {
		values = min(values, 16+len(src)/16) // a usual estimate, which may grow
	}
	s := scanner{src: src, nodes: make([]node, 0, values)}
	s.space()
	if err := s.value(node{parent: -1}, 0); err != nil {
		return nil, err
	}
	s.space()
	if s.at != len(src) {
		return nil, fmt.Errorf("something follows the JSON value at byte %d", s.at)
	}
	return &Tree{src, s.nodes}, nil
}

// longText is how many values, by a first estimate, make it worthwhile to count
// them before room is made: room that grows is copied again and again.
const longText = 1 << 12

// mostValues is how many values a JSON text has at most: every value but the first
// follows a comma, or is the first in an object or list.
func mostValues(src string) int {
	most, quoted := 1, false
	for i := 0; i < len(src); i++ {
		switch src[i] {
		case '"':
			quoted = !quoted
		case '\\':
			i++
		case ',', '{', '[':
			if !quoted {
				most++
			}
		}
	}
	return most
}

type scanner struct {
	src   string
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

func (s *scanner) unexpected() error {
	if s.at >= len(s.src) {
		return errors.New("the JSON ends too early")
	}
	return fmt.Errorf("not JSON: %q at byte %d", s.src[s.at], s.at)
}

// value scans a value. Its node comes with the parent, the place and the key.
func (s *scanner) value(n node, depth int) error {
	if depth >= maxDepth {
		return fmt.Errorf("the JSON is nested %d deep or deeper", maxDepth)
	}
	if len(s.nodes) == maxValues {
		return fmt.Errorf("the JSON has more than %d values", maxValues)
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
		s.nodes[i].bare, err = s.text()
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
			return s.unexpected()
		}
		var err error
		member.key = int32(s.at)
		if member.bareKey, err = s.text(); err != nil {
			return err
		}
		member.colon = int32(s.at)
		s.space()
		if s.peek() != ':' {
			return s.unexpected()
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
			return s.unexpected()
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
			return s.unexpected()
		}
	}
}

// text scans a string, and reports whether it is ASCII without escapes.
func (s *scanner) text() (bare bool, err error) {
	bare = true
	for s.at++; s.at < len(s.src); s.at++ {
		s.at += bareLength(s.src[s.at:])
		switch c := s.peek(); {
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
						return false, s.unexpected()
					}
				}
			default:
				return false, s.unexpected()
			}
		case c < ' ':
			return false, s.unexpected()
		case c >= utf8.RuneSelf:
			bare = false
		}
	}
	return false, s.unexpected()
}

// bareLength counts the bytes at the start of a text that stand for themselves
// in a JSON string: ASCII, but no control characters, quotes or backslashes.
func bareLength(text string) int {
	for i := range len(text) {
		if !isBare[text[i]] {
			return i
		}
	}
	return len(text)
}

// isBare is a table of these bytes: one look-up is faster than four comparisons.
var isBare = func() (bare [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		bare[c] = c != '"' && c != '\\'
	}
	return bare
}()

func (s *scanner) word(w string) error {
	for i := range w {
		if s.peek() != w[i] {
			return s.unexpected()
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
		return s.unexpected()
	}
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.at++
	}
	return nil
}
