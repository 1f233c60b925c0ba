// Package protobuf reads messages in the wire format of Protocol Buffers so that no
// two readers can differ about them. It knows only the fields that a [Schema]
// lists, and names those that the schema does not.
//
//	schema := protobuf.Schema{
//		"Request": {1: {"Ref", protobuf.String}, 2: {"Labels", protobuf.Map(protobuf.String)}},
//	}
//	request, err := schema.Parse("Request", message)
//	fmt.Println(request.Text("Ref"), request.Map("Labels")["team"], request.Unknown())
//
// The generated types of a service would merge what is sent twice, and keep silent
// about what they do not know.
package protobuf

import (
	"iter"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Schema holds message types by their names.
type Schema map[string]map[protowire.Number]Field

// Field is a field of a message type.
type Field struct {
	Name string
	Type Type
}

// Type is the type of a field.
type Type struct {
	kind     kind
	message  string // the name of the message type, for a message or a map of messages
	repeated bool
	isMap    bool
}

type kind int

const (
	varint kind = iota
	text
	data
	message
)

// The types of fields. Opaque is a message whose fields do not matter.
var (
	Varint = Type{kind: varint} // any integer type, enum or bool that is not zigzag-encoded or fixed
	String = Type{kind: text}
	Bytes  = Type{kind: data}
	Opaque = Type{kind: data}
)

// Message returns the name of the message type that the field holds, "" if it holds
// none that is read.
func (t Type) Message() string { return t.message }

// Varint, Repeated and IsMap report the form of the type.
func (t Type) Varint() bool   { return t.kind == varint }
func (t Type) Repeated() bool { return t.repeated }
func (t Type) IsMap() bool    { return t.isMap }

// Message is the type of a field that holds a message of the named type.
func Message(name string) Type { return Type{kind: message, message: name} }

// Repeated is the type of a repeated field.
func Repeated(t Type) Type { t.repeated = true; return t }

// Map is the type of a map from strings to values of the type.
func Map(t Type) Type { t.isMap = true; return t }

// Value is a message that was read. Its methods accept a nil Value, which is a
// message without fields. They panic if the schema has no such field.
type Value struct {
	schema  Schema
	message string
	path    string
	fields  map[string][]item
	keys    map[string]bool // "field/key" of each entry of a map
	unknown []string        // of the whole message, the root's only
}

// item is one value of a field.
type item struct {
	key    string // of a map entry
	number uint64
	bytes  []byte
	value  *Value
}

// Path is where the message is in the message that was parsed, as in
// "/Definition/def/0". It is "" for that message itself.
func (v *Value) Path() string { return v.path }

// Unknown are the paths of fields that the schema does not have, in the message
// that was parsed and in those within it. An unknown field is named by its number.
func (v *Value) Unknown() []string { return v.unknown }

// Has reports whether the message has the field.
func (v *Value) Has(name string) bool { return len(v.items(name)) > 0 }

// Text is the value of a string or bytes field.
func (v *Value) Text(name string) string {
	return string(v.first(name).bytes)
}

// Texts are the values of a repeated string field.
func (v *Value) Texts(name string) (all []string) {
	for _, it := range v.items(name) {
		all = append(all, string(it.bytes))
	}
	return all
}

// Number is the value of a varint field.
func (v *Value) Number(name string) uint64 {
	return v.first(name).number
}

// Message is the value of a message field, nil if it is missing.
func (v *Value) Message(name string) *Value {
	return v.first(name).value
}

// Messages are the values of a repeated message field.
func (v *Value) Messages(name string) (all []*Value) {
	for _, it := range v.items(name) {
		all = append(all, it.value)
	}
	return all
}

// Map is the value of a map of strings.
func (v *Value) Map(name string) map[string]string {
	m := map[string]string{}
	for _, it := range v.items(name) {
		m[it.key] = string(it.bytes)
	}
	return m
}

// All are the messages of a type in the message, at any depth.
func (v *Value) All(name string) iter.Seq[*Value] {
	return func(yield func(*Value) bool) { v.each(name, yield) }
}

func (v *Value) each(name string, yield func(*Value) bool) bool {
	if v == nil {
		return true
	}
	if v.message == name && !yield(v) {
		return false
	}
	for _, number := range v.numbers() {
		for _, it := range v.fields[v.schema[v.message][number].Name] {
			if !it.value.each(name, yield) {
				return false
			}
		}
	}
	return true
}

// numbers are the numbers of the message type's fields, in order.
func (v *Value) numbers() []protowire.Number {
	numbers := make([]protowire.Number, 0, len(v.schema[v.message]))
	for number := range v.schema[v.message] {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	return numbers
}

// first is the only value of a field that is not repeated, empty if it is missing.
func (v *Value) first(name string) item {
	for _, it := range v.items(name) {
		return it
	}
	return item{}
}

func (v *Value) items(name string) []item {
	if v == nil {
		return nil
	}
	if items, ok := v.fields[name]; ok {
		return items
	}
	v.number(name)
	return nil
}

// AppendEntry returns the message with an entry added to one of its maps of
// strings.
func (v *Value) AppendEntry(b []byte, name, key, value string) []byte {
	var entry []byte
	entry = protowire.AppendString(protowire.AppendTag(entry, 1, protowire.BytesType), key)
	entry = protowire.AppendString(protowire.AppendTag(entry, 2, protowire.BytesType), value)
	return appendBytes(b, v.number(name), entry)
}

// SetText returns the message with another value of one of its string fields.
func (v *Value) SetText(b []byte, name, text string) []byte {
	number, out := v.number(name), []byte(nil)
	for len(b) > 0 {
		field, _, n := protowire.ConsumeField(b)
		if n < 0 {
			panic("the message was not parsed")
		}
		if field != number {
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	return appendBytes(out, number, []byte(text))
}

func appendBytes(b []byte, number protowire.Number, content []byte) []byte {
	b = slices.Clip(b)
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), content)
}

// number is the number of a field.
func (v *Value) number(name string) protowire.Number {
	for number, field := range v.schema[v.message] {
		if field.Name == name {
			return number
		}
	}
	panic("the message " + v.message + " has no field " + name)
}
