package policy

import (
	"slices"

	"github.com/zclconf/go-cty/cty"
)

// Spec describes the policy language.
type Spec struct {
	Settings  []Setting // attributes at the top of a file
	Rule      []Setting // attributes of a rule
	Kinds     []KindSpec
	Objects   []Object // what every rule sees besides its claim
	Functions []Function
}

// Setting is an attribute of a file or of a rule.
type Setting struct {
	Name string
	Type string
	Doc  string
}

// KindSpec describes one kind of claim: a type of block, and the object that
// its rules see under the same name.
type KindSpec struct {
	Kind       Kind
	Doc        string
	Actions    []Action
	Attributes []Attribute // none for api
}

// Object is a variable that conditions see.
type Object struct {
	Name       string
	Doc        string
	Attributes []Attribute
}

// Attribute is one fact about a call or a claim.
type Attribute struct {
	Name   string
	Doc    string
	Values []string // every value that it can have; nil if there is no such list
	Secret bool     // may hold secrets, which diagnostics do not print

	Example string // a condition with it

	names    func(Names) []string     // the values that its callers name; others may come
	synonyms []string                 // other names by which people know it
	spelling func(text string) string // how the attribute spells a text, "" if it never holds the text; nil if it holds any
	suspect  func(text string) string // why it hardly ever holds a text, "" if it may; nil if it may hold any
	advice   string                   // what to compare instead
	get      any                      // func(*scope) of int, string, bool or map[string]string, or of string or []string and an error
}

// Names are the words of the API that policies compare attributes with. This
// package knows none of them. It needs them to find a misspelt word.
type Names struct {
	Endpoints  []string // of call.endpoint
	Modes      []string // of network.mode
	Privileges []string // of privilege.name
}

// Usual returns the values that the attribute has today, nil if there is no
// such list. A later version may add others.
func (a Attribute) Usual(names Names) []string {
	if a.names == nil {
		return nil
	}
	return a.names(names)
}

// Type is the attribute's type in HCL's words.
func (a Attribute) Type() string { return a.ctyType().FriendlyName() }

// ctyType is the type of what the getter returns.
func (a Attribute) ctyType() cty.Type {
	switch a.get.(type) {
	case func(*scope) int:
		return cty.Number
	case func(*scope) bool:
		return cty.Bool
	case func(*scope) ([]string, error):
		return cty.List(cty.String)
	case func(*scope) map[string]string:
		return cty.Map(cty.String)
	}
	return cty.String
}

// unknown is the value of the attribute before a call: its type alone.
func (a Attribute) unknown() cty.Value { return cty.UnknownVal(a.ctyType()).RefineNotNull() }

// value returns what the getter returns, for HCL.
func (a Attribute) value(s *scope) (cty.Value, error) {
	switch get := a.get.(type) {
	case func(*scope) int:
		return cty.NumberIntVal(int64(get(s))), nil
	case func(*scope) bool:
		return cty.BoolVal(get(s)), nil
	case func(*scope) ([]string, error):
		list, err := get(s)
		if len(list) == 0 {
			return cty.ListValEmpty(cty.String), err
		}
		vals := make([]cty.Value, len(list))
		for i, text := range list {
			vals[i] = cty.StringVal(text)
		}
		return cty.ListVal(vals), err
	case func(*scope) map[string]string:
		pairs := get(s)
		if len(pairs) == 0 {
			return cty.MapValEmpty(cty.String), nil
		}
		vals := make(map[string]cty.Value, len(pairs))
		for key, text := range pairs {
			vals[key] = cty.StringVal(text)
		}
		return cty.MapVal(vals), nil
	case func(*scope) (string, error):
		text, err := get(s)
		return cty.StringVal(text), err
	}
	return cty.StringVal(a.get.(func(*scope) string)(s)), nil
}

// attribute finds an attribute by its name.
func (o Object) attribute(name string) (Attribute, bool) {
	i := slices.IndexFunc(o.Attributes, func(a Attribute) bool { return a.Name == name })
	if i < 0 {
		return Attribute{}, false
	}
	return o.Attributes[i], true
}

// unknown is the value of the object before a call: the types alone.
func (o Object) unknown() cty.Value {
	attrs := make(map[string]cty.Value, len(o.Attributes))
	for _, a := range o.Attributes {
		attrs[a.Name] = a.unknown()
	}
	return cty.ObjectVal(attrs)
}

// Kind finds the description of a kind.
func (s Spec) Kind(k Kind) (KindSpec, bool) {
	i := slices.IndexFunc(s.Kinds, func(ks KindSpec) bool { return ks.Kind == k })
	if i < 0 {
		return KindSpec{}, false
	}
	return s.Kinds[i], true
}

// objects returns what a rule of a kind sees, its own claim first. A local
// sees no claim; its kind is "".
func (s Spec) objects(k Kind) []Object {
	ks, ok := s.Kind(k)
	if !ok || len(ks.Attributes) == 0 {
		return s.Objects
	}
	return append([]Object{{string(k), ks.Doc, ks.Attributes}}, s.Objects...)
}

// object finds what a rule of a kind sees under a name.
func (s Spec) object(k Kind, name string) (Object, bool) {
	objects := s.objects(k)
	i := slices.IndexFunc(objects, func(o Object) bool { return o.Name == name })
	if i < 0 {
		return Object{}, false
	}
	return objects[i], true
}

// kindNames are the types of blocks that are rules.
func (s Spec) kindNames() []string {
	names := make([]string, len(s.Kinds))
	for i, k := range s.Kinds {
		names[i] = string(k.Kind)
	}
	return names
}
