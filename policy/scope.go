package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// What an address of a port means.
const (
	scopeUnset    = "unset"
	scopeAny      = "any"
	scopeLoopback = "loopback"
	scopeAddress  = "address"
)

var scopes = []string{scopeUnset, scopeAny, scopeLoopback, scopeAddress}

// scope is what the expressions of one decision see. The attributes of the
// Schema read it.
type scope struct {
	call      *Call
	port      Port
	portScope string
	network   Network
	mount     Mount
	privilege Privilege
}

// newScope takes a claim in; it reports whether it knows the claim's type.
func newScope(call *Call, claim Claim) (s scope, known bool) {
	s.call = call
	switch c := claim.(type) {
	case Port:
		s.port = c
		s.port.IP, s.portScope = classify(c.IP)
		normalize(&s.port.Protocol, &s.port.Host)
	case Network:
		s.network = c
		normalize(&s.network.Mode, &s.network.Name, &s.network.Driver)
		s.network.Options = normalMap(c.Options)
	case Mount:
		s.mount = c
		normalize(&s.mount.Source, &s.mount.Target)
	case Privilege:
		s.privilege = c
		normalize(&s.privilege.Name, &s.privilege.Value)
	case API:
	default:
		return s, false
	}
	return s, true
}

// normalCall is a call with its texts as HCL compares them.
func normalCall(call *Call) *Call {
	c := *call
	normalize(&c.Endpoint, &c.Method, &c.Path, &c.Version, &c.Container.Name, &c.Container.Image,
		&c.Compose.Project, &c.Compose.Service, &c.Compose.Files, &c.Compose.Dir)
	c.Container.Labels = normalMap(c.Container.Labels)
	return &c
}

// lookUp gives a name as HCL compares it.
func lookUp(look func() (string, error)) (string, error) {
	if look == nil {
		return "", errUnknownHere
	}
	text, err := look()
	normalize(&text)
	return text, err
}

// lookUpAll gives names as HCL compares them.
func lookUpAll(look func() ([]string, error)) ([]string, error) {
	if look == nil {
		return nil, errUnknownHere
	}
	list, err := look()
	if slices.ContainsFunc(list, func(text string) bool { return !isASCII(text) }) {
		list = slices.Clone(list)
		for i := range list {
			normalize(&list[i])
		}
	}
	return list, err
}

var errUnknownHere = errors.New("nobody can tell it here")

// normalize brings texts into the form in which HCL compares them, Unicode's
// NFC.
func normalize(texts ...*string) {
	for _, t := range texts {
		if !isASCII(*t) {
			*t = cty.NormalizeString(*t)
		}
	}
}

// normalMap is a map with its keys and elements normalized. Of keys that are
// one then, the last in order wins.
func normalMap(pairs map[string]string) map[string]string {
	plain := true
	for key, text := range pairs {
		plain = plain && isASCII(key) && isASCII(text)
	}
	if plain {
		return pairs
	}
	normal := make(map[string]string, len(pairs))
	for _, key := range sortedKeys(pairs) {
		normal[cty.NormalizeString(key)] = cty.NormalizeString(pairs[key])
	}
	return normal
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// classify spells a host address in its shortest form and says what it
// means. What an Engine cannot use is no address: it would publish on every
// interface.
func classify(ip string) (shortest, scope string) {
	if ip == "" {
		return "", scopeUnset // without an error, which costs more
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil || addr.Zone() != "" {
		return "", scopeUnset
	}
	addr = addr.Unmap()
	switch {
	case addr.IsUnspecified():
		return addr.String(), scopeAny
	case addr.IsLoopback():
		return addr.String(), scopeLoopback
	}
	return addr.String(), scopeAddress
}

// typeOf is the type of what a getter of an Attribute gives, a text if it is
// none of these.
func typeOf(get any) cty.Type {
	switch get.(type) {
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

// valueOf is what a getter of an Attribute gives, for HCL.
func valueOf(get any, s *scope) (cty.Value, error) {
	switch get := get.(type) {
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
	return cty.StringVal(get.(func(*scope) string)(s)), nil
}

// value returns the object as an expression sees it in one decision. An
// attribute whose look-up fails is unknown, and the error says why.
func (o Object) value(s *scope) (v cty.Value, missing error) {
	attrs := make(map[string]cty.Value, len(o.Attributes))
	for _, a := range o.Attributes {
		var err error
		if attrs[a.Name], err = valueOf(a.get, s); err != nil {
			attrs[a.Name] = a.unknown()
			missing = fmt.Errorf("asks for %s.%s, which is not known: %v", o.Name, a.Name, err)
		}
	}
	return cty.ObjectVal(attrs), missing
}

// seenBy returns the object with the attributes that an expression refers to,
// all of them if it refers to the object as a whole.
func (o Object) seenBy(expr hclsyntax.Expression) Object {
	seen := Object{Name: o.Name, Doc: o.Doc}
	for _, a := range o.Attributes {
		if mentions(expr, o.Name, a.Name) {
			seen.Attributes = append(seen.Attributes, a)
		}
	}
	return seen
}

// mentions reports whether an expression refers to an attribute of an object,
// or to the object as a whole.
func mentions(expr hclsyntax.Expression, object, attribute string) bool {
	return slices.ContainsFunc(expr.Variables(), func(t hcl.Traversal) bool {
		if t.RootName() != object {
			return false
		}
		if len(t) < 2 {
			return true
		}
		name, ok := stepName(t[1])
		return name == attribute || !ok
	})
}

// unknown is the object as expressions are checked against it: every type
// and no value.
func (o Object) unknown() cty.Value {
	attrs := make(map[string]cty.Value, len(o.Attributes))
	for _, a := range o.Attributes {
		attrs[a.Name] = a.unknown()
	}
	return cty.ObjectVal(attrs)
}

func (a Attribute) unknown() cty.Value {
	return cty.UnknownVal(typeOf(a.get)).RefineNotNull()
}
