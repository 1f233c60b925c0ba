package policy

import (
	"net/netip"
	"slices"
	"unicode/utf8"

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

// newScope takes a claim in; it tells whether it knows the claim's type.
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
		&c.Compose.Project, &c.Compose.Service, &c.Compose.Files, &c.Compose.Dir, &c.Client.User, &c.Client.Command)
	c.Container.Labels = normalMap(c.Container.Labels)
	if slices.ContainsFunc(c.Client.Groups, func(g string) bool { return !isASCII(g) }) {
		c.Client.Groups = slices.Clone(c.Client.Groups)
		for i := range c.Client.Groups {
			normalize(&c.Client.Groups[i])
		}
	}
	return &c
}

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

// typeOf is the type of what a getter of an Attribute gives.
func typeOf(get any) cty.Type {
	switch get.(type) {
	case func(*scope) int:
		return cty.Number
	case func(*scope) bool:
		return cty.Bool
	case func(*scope) []string:
		return cty.List(cty.String)
	case func(*scope) map[string]string:
		return cty.Map(cty.String)
	}
	return cty.String
}

// valueOf is what a getter of an Attribute gives, for HCL.
func valueOf(get any, s *scope) cty.Value {
	switch get := get.(type) {
	case func(*scope) int:
		return cty.NumberIntVal(int64(get(s)))
	case func(*scope) bool:
		return cty.BoolVal(get(s))
	case func(*scope) []string:
		list := get(s)
		if len(list) == 0 {
			return cty.ListValEmpty(cty.String)
		}
		vals := make([]cty.Value, len(list))
		for i, text := range list {
			vals[i] = cty.StringVal(text)
		}
		return cty.ListVal(vals)
	case func(*scope) map[string]string:
		pairs := get(s)
		if len(pairs) == 0 {
			return cty.MapValEmpty(cty.String)
		}
		vals := make(map[string]cty.Value, len(pairs))
		for key, text := range pairs {
			vals[key] = cty.StringVal(text)
		}
		return cty.MapVal(vals)
	}
	return cty.StringVal(get.(func(*scope) string)(s))
}

// value is the object as one decision sees it.
func (o Object) value(s *scope) cty.Value {
	attrs := make(map[string]cty.Value, len(o.Attributes))
	for _, a := range o.Attributes {
		attrs[a.Name] = valueOf(a.get, s)
	}
	return cty.ObjectVal(attrs)
}

// unknown is the object as expressions are checked against it: every type
// and no value.
func (o Object) unknown() cty.Value {
	attrs := make(map[string]cty.Value, len(o.Attributes))
	for _, a := range o.Attributes {
		attrs[a.Name] = cty.UnknownVal(typeOf(a.get)).RefineNotNull()
	}
	return cty.ObjectVal(attrs)
}
