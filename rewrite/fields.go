package rewrite

import (
	"embed"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// fields are the known members of an object, each with the known members of its
// value. Fields that are nil know every member. The member "*" stands for any
// name. Items of a list have the fields of the list.
type fields map[string]fields

// fieldFiles list what is known of each endpoint, with the reason why it is
// harmless. A line that begins in the first column names the endpoints that the
// lines below are about. "/A/B" is a field of the body, "?name" a parameter of the
// query.
//
//go:embed fields/*.txt
var fieldFiles embed.FS

// knownFields are the fields of each endpoint's body, by the name of the endpoint.
// The parameters of its query are the members of "?".
var knownFields = sync.OnceValue(func() map[string]fields {
	all := map[string]fields{}
	files, err := fieldFiles.ReadDir("fields")
	if err != nil {
		panic(err)
	}
	for _, file := range files {
		text, err := fieldFiles.ReadFile("fields/" + file.Name())
		if err != nil {
			panic(err)
		}
		var endpoints []string
		for line := range strings.Lines(string(text)) {
			words := strings.Fields(line)
			switch {
			case len(words) == 0 || words[0] == "#":
			case line[0] != '\t':
				endpoints = words
			default:
				for _, name := range endpoints {
					if all[name] == nil {
						all[name] = fields{}
					}
					for _, word := range words {
						all[name].add(strings.Split(strings.Replace(word, "?", "/?/", 1), "/")[1:])
					}
				}
			}
		}
	}
	// If HostConfig is missing, Engines before 27 read its fields from the body
	// itself.
	create := all["container.create"]
	maps.Copy(create, create["HostConfig"])
	maps.Copy(all["container.start"], create["HostConfig"])
	all["container.start"]["HostConfig"] = create["HostConfig"]
	return all
})

func (f fields) add(path []string) {
	name, inside := path[0], path[1:]
	if len(inside) == 0 {
		f[name] = nil
		return
	}
	if f[name] == nil {
		f[name] = fields{}
	}
	f[name].add(inside)
}

// member returns the fields of a member, and reports whether the member is known.
func (f fields) member(name string) (inside fields, known bool) {
	if inside, known = f[name]; known {
		return inside, true
	}
	for other, inside := range f {
		if strings.EqualFold(other, name) {
			return inside, true
		}
	}
	inside, known = f["*"]
	return inside, known
}

// unread claims each field of the body and each parameter of the query that is not
// known: what this safesock does not read can ask for anything. Null asks for
// nothing. Some clients repeat the body's fields in the query, where no Engine looks
// for them.
func (c *reading) unread(known fields) {
	if known == nil {
		known = fields{}
	}
	c.unreadFields(c.root, known)
	c.parameters("")
	for _, name := range slices.Sorted(maps.Keys(c.params)) {
		_, isParameter := known["?"].member(name)
		_, isField := known.member(name)
		isName := name != "" && name[0] != '{' // as JSON that is sent as a form would be
		if !isParameter && !isField && isName {
			c.parameter(policy.Privilege{Name: "unread", Value: "?" + name}, name)
		}
	}
}

func (c *reading) unreadFields(v jsonedit.Value, known fields) {
	switch {
	case known == nil:
	case v.IsList():
		for item := range v.Items() {
			c.unreadFields(item, known)
		}
	case v.IsObject():
		for name, m := range v.Pairs() {
			inside, found := known.member(name)
			if !found && !m.OrAbsent().Absent() {
				c.claim(policy.Privilege{Name: "unread", Value: m.Pointer()}, m)
			}
			c.unreadFields(m, inside)
		}
	}
}
