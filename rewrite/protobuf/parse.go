package protobuf

import (
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Bounds on the cost of one message.
const (
	maxDepth  = 100
	maxFields = 1 << 18
)

// Parse reads a message of the named type. Two readers could differ about a
// message that it refuses: if a field that is not repeated or a key of a map occurs
// twice, a field has another wire type than the schema says, or a string is not
// UTF-8. Errors begin with the path of the field.
func (s Schema) Parse(name string, b []byte) (*Value, error) {
	p := parser{schema: s}
	v, err := p.parse(name, "", b, 0)
	if err != nil {
		return nil, err
	}
	v.unknown = p.unknown
	return v, nil
}

// parser reads one message with all that it contains.
type parser struct {
	schema  Schema
	fields  int
	unknown []string
}

func (p *parser) parse(name, path string, b []byte, depth int) (*Value, error) {
	fields, ok := p.schema[name]
	if !ok {
		panic("the schema has no message " + name)
	}
	if depth == maxDepth {
		return nil, fmt.Errorf("%s: messages are nested more than %d deep", path, maxDepth)
	}
	v := &Value{schema: p.schema, message: name, path: path, fields: map[string][]item{}}
	for len(b) > 0 {
		number, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, fmt.Errorf("%s: %w", placeOf(path), protowire.ParseError(n))
		}
		b = b[n:]
		if p.fields++; p.fields > maxFields {
			return nil, fmt.Errorf("%s: the message has more than %d fields", placeOf(path), maxFields)
		}
		field, known := fields[number]
		if !known {
			n := protowire.ConsumeFieldValue(number, wire, b)
			if n < 0 {
				return nil, fmt.Errorf("%s: %w", placeOf(path), protowire.ParseError(n))
			}
			b = b[n:]
			p.notKnown(path + "/" + strconv.Itoa(int(number)))
			continue
		}
		at := path + "/" + field.Name
		n, err := p.field(v, field, at, wire, b, depth)
		if err != nil {
			return nil, err
		}
		b = b[n:]
	}
	return v, nil
}

// field reads one occurrence of a field, and returns its length.
func (p *parser) field(v *Value, field Field, at string, wire protowire.Type, b []byte, depth int) (int, error) {
	t, before := field.Type, v.fields[field.Name]
	if len(before) > 0 && !t.repeated && !t.isMap {
		return 0, fmt.Errorf("%s appears twice", at)
	}
	if t.kind == varint && !t.isMap {
		return p.varints(v, field, at, wire, b)
	}
	if wire != protowire.BytesType {
		return 0, fmt.Errorf("%s has the wire type %d", at, wire)
	}
	content, n := protowire.ConsumeBytes(b)
	if n < 0 {
		return 0, fmt.Errorf("%s: %w", at, protowire.ParseError(n))
	}
	if !t.isMap {
		if t.repeated {
			at += "/" + strconv.Itoa(len(before))
		}
		it, err := p.item(t, at, content, depth)
		if err != nil {
			return 0, err
		}
		v.fields[field.Name] = append(before, it)
		return n, nil
	}
	it, err := p.entry(t, at, content, depth)
	if err != nil {
		return 0, err
	}
	key := field.Name + "/" + it.key
	if v.keys[key] {
		return 0, fmt.Errorf("%s/%s appears twice", at, it.key)
	}
	if v.keys == nil {
		v.keys = map[string]bool{}
	}
	v.keys[key] = true
	v.fields[field.Name] = append(before, it)
	return n, nil
}

// varints reads a number, or the numbers of a packed field.
func (p *parser) varints(v *Value, field Field, at string, wire protowire.Type, b []byte) (int, error) {
	packed := wire == protowire.BytesType && field.Type.repeated
	if wire != protowire.VarintType && !packed {
		return 0, fmt.Errorf("%s has the wire type %d", at, wire)
	}
	content, length := b, 0
	if packed {
		if content, length = protowire.ConsumeBytes(b); length < 0 {
			return 0, fmt.Errorf("%s: %w", at, protowire.ParseError(length))
		}
	}
	for len(content) > 0 || !packed {
		number, n := protowire.ConsumeVarint(content)
		if n < 0 {
			return 0, fmt.Errorf("%s: %w", at, protowire.ParseError(n))
		}
		if p.fields++; p.fields > maxFields {
			return 0, fmt.Errorf("%s: the message has more than %d fields", at, maxFields)
		}
		v.fields[field.Name] = append(v.fields[field.Name], item{number: number})
		if !packed {
			return n, nil
		}
		content = content[n:]
	}
	return length, nil
}

// item reads what a length-delimited field holds.
func (p *parser) item(t Type, at string, content []byte, depth int) (item, error) {
	switch t.kind {
	case message:
		v, err := p.parse(t.message, at, content, depth+1)
		return item{bytes: content, value: v}, err
	case text:
		if !utf8.Valid(content) {
			return item{}, fmt.Errorf("%s is not UTF-8", at)
		}
	}
	return item{bytes: content}, nil
}

// entry reads an entry of a map, a message with the key and the value.
func (p *parser) entry(t Type, at string, b []byte, depth int) (item, error) {
	var key, value []byte
	var seen [3]bool
	var number uint64
	for len(b) > 0 {
		field, wire, n := protowire.ConsumeTag(b)
		if n < 0 {
			return item{}, fmt.Errorf("%s: %w", at, protowire.ParseError(n))
		}
		b = b[n:]
		if field > 2 {
			if n = protowire.ConsumeFieldValue(field, wire, b); n < 0 {
				return item{}, fmt.Errorf("%s: %w", at, protowire.ParseError(n))
			}
			b = b[n:]
			p.notKnown(at + "/" + strconv.Itoa(int(field)))
			continue
		}
		if seen[field] {
			return item{}, fmt.Errorf("%s: an entry has two keys or values", at)
		}
		seen[field] = true
		var content []byte
		switch {
		case field == 2 && t.kind == varint && wire == protowire.VarintType:
			number, n = protowire.ConsumeVarint(b)
		case wire == protowire.BytesType && (field == 1 || t.kind != varint):
			content, n = protowire.ConsumeBytes(b)
		default:
			return item{}, fmt.Errorf("%s: an entry has the wire type %d", at, wire)
		}
		if n < 0 {
			return item{}, fmt.Errorf("%s: %w", at, protowire.ParseError(n))
		}
		if field == 1 {
			key = content
		} else {
			value = content
		}
		b = b[n:]
	}
	if !utf8.Valid(key) {
		return item{}, fmt.Errorf("%s: a key is not UTF-8", at)
	}
	it, err := p.item(t, at+"/"+string(key), value, depth)
	it.key, it.number = string(key), number
	return it, err
}

// notKnown keeps the path of a field that the schema does not have. The list is
// only as long as people would read.
func (p *parser) notKnown(path string) {
	if len(p.unknown) < 20 && !slices.Contains(p.unknown, path) {
		p.unknown = append(p.unknown, path)
	}
}

func placeOf(path string) string {
	if path == "" {
		return "the message"
	}
	return path
}
