package policy

// KindAPI is the kind of API.
const KindAPI Kind = "api"

// API is the call itself.
type API struct{}

func (API) Kind() Kind { return KindAPI }

func (API) Subject() string { return "this call" }

func (API) Effect() string { return "was let through" }

func (API) Infinitive() string { return "be made" }

func (API) Title() string { return "the call" }

func (API) Asked() string { return "" }

func (API) Written() string { return "" }

func (API) facts(any) any { return nil }

var apiKind = KindSpec{KindAPI, "The call itself, intercepted or not.", []Action{Allow, Warn, Deny}, nil}
