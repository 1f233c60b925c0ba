package policy

import "strings"

// KindPrivilege is the kind of Privilege.
const KindPrivilege Kind = "privilege"

// Privilege is a right that reaches past the container.
type Privilege struct {
	Name  string `json:"name"`  // which right; callers of Parse name those that there are
	Value string `json:"value"` // what is asked for: the capability, the device's path, …

	Replaceable bool `json:"replaceable,omitempty"` // replace can be used
}

func (Privilege) Kind() Kind { return KindPrivilege }

func (p Privilege) Subject() string { return strings.TrimSpace(p.Name + " " + p.Value) }

func (p Privilege) Effect() string {
	if p.Name == "unread" {
		return "is forwarded, but is not known to this safesock"
	}
	return "is granted, and reaches past the container"
}

func (Privilege) Infinitive() string { return "be granted" }

func (p Privilege) Title() string { return "privilege " + p.Name }

func (p Privilege) Asked() string { return p.Value }

func (p Privilege) Written() string { return p.Value }

func (p Privilege) irreplaceable() string {
	if p.Replaceable {
		return ""
	}
	return "the call has no place for anything else"
}

func (p Privilege) facts(kept any) any {
	normalize(&p.Name, &p.Value)
	room := roomFor[Privilege](kept)
	*room = p
	return room
}

var privilegeKind = KindSpec{KindPrivilege, "A right that reaches past the container.", []Action{Allow, Warn, Replace, Deny}, []Attribute{
	{Name: "name", Doc: "which right", synonyms: []string{"kind", "type"},
		names:   func(n Names) []string { return n.Privileges },
		Example: `privilege.name == "cap"`,
		get:     fact(func(p *Privilege) string { return p.Name })},
	{Name: "value", Doc: "what is asked for: the capability, the device's path, …",
		spelling: spellRight, Example: `privilege.value == "NET_ADMIN"`,
		get: fact(func(p *Privilege) string { return p.Value })},
	{Name: "replaceable", Doc: "whether replace can put the Engine's own in its place, as for the frontend of a build",
		Example: `privilege.replaceable`,
		get:     fact(func(p *Privilege) bool { return p.Replaceable })},
}}

// spellRight returns a capability without CAP_, and anything else as it is.
func spellRight(text string) string {
	if name, ok := strings.CutPrefix(strings.ToUpper(text), "CAP_"); ok && name != "" {
		return name
	}
	return text
}
