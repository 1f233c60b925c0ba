package rewrite

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"

	"github.com/safesock/safesock/rewrite/jsonedit"
)

// odd writes bodies of Docker's types, in spellings that Engines accept and
// nobody uses.
type odd struct{ *rand.Rand }

func (r odd) pick(of ...string) string { return of[r.IntN(len(of))] }

func (r odd) value(of reflect.Type, depth int) string {
	if depth > 8 || r.IntN(30) == 0 {
		return "null"
	}
	switch of.Kind() {
	case reflect.Pointer:
		return r.value(of.Elem(), depth)
	case reflect.Struct:
		members := r.members(of, depth)
		r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		return "{" + strings.Join(members, r.pick(",", " ,\n")) + "}"
	case reflect.Slice:
		if of.Elem().Kind() == reflect.Uint8 {
			return `"aGk="`
		}
		var all []string
		for range r.IntN(3) {
			all = append(all, r.value(of.Elem(), depth+1))
		}
		return "[" + strings.Join(all, ",") + "]"
	case reflect.Map:
		var all []string
		for _, key := range []string{
			"o", "device", "type", "com.docker.network.bridge.name", "com.docker.network.bridge.gateway_mode_ipv4",
			"com.docker.network.bridge.gateway_mode_ipv6", "com.docker.network.bridge.trusted_host_interfaces", "a",
		} {
			if r.IntN(3) == 0 {
				all = append(all, jsonedit.Quote(key)+":"+r.value(of.Elem(), depth+1))
			}
		}
		return "{" + strings.Join(all, ",") + "}"
	case reflect.Bool:
		return r.pick("true", "false")
	case reflect.String:
		return jsonedit.Quote(r.pick("", "", "host", "bridge", "macvlan", "local", "bind", "volume", "/run", "routed", "nat-unprotected", "swarm", "rexray",
			"0.0.0.0:2377", "127.0.0.1:2377", "[::1%lo]:1", "eth0:2377", "udp", "TCP", "CAP_SYS_ADMIN", "unconfined", "default", "none", "size=1,bind", "x"))
	case reflect.Interface:
		return r.pick("{}", "1", `"x"`)
	}
	return r.pick("0", "1", "80", "2377")
}

// members are some of a struct's fields, those of embedded ones too.
func (r odd) members(of reflect.Type, depth int) []string {
	var all []string
	for i := range of.NumField() {
		field := of.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous && name == "" {
			inner := field.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct {
				all = append(all, r.members(inner, depth)...)
				continue
			}
		}
		if name == "-" || !field.IsExported() || r.IntN(2) == 0 {
			continue
		}
		if name == "" {
			name = field.Name
		}
		all = append(all, r.key(name)+r.pick(":", " : ")+r.value(field.Type, depth+1))
		if r.IntN(60) == 0 {
			all = append(all, r.key(name)+":"+r.value(field.Type, depth+1))
		}
	}
	return all
}

func (r odd) key(name string) string {
	switch r.IntN(10) {
	case 0:
		name = strings.ToLower(name)
	case 1:
		name = strings.ToUpper(name)
	case 2:
		name = strings.NewReplacer("s", "\u017f", "k", "\u212a").Replace(name)
	case 3:
		return fmt.Sprintf(`"\u%04x%s"`, name[0], name[1:])
	}
	return jsonedit.Quote(name)
}
