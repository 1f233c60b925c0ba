package policy

import "strings"

// Privilege is a right that reaches past the container.
type Privilege struct {
	Name  string `json:"name"`  // "privileged", "cap", "device", "pid", "ipc", "userns", "security_opt", "plugin", …
	Value string `json:"value"` // what is asked for: the capability, the device's path, …
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
