package policy

// API is the call itself.
type API struct{}

func (API) Kind() Kind { return KindAPI }

func (API) Subject() string { return "this call" }

func (API) Effect() string { return "was let through" }

func (API) Infinitive() string { return "be made" }

func (API) Title() string { return "the call" }

func (API) Asked() string { return "" }

func (API) Written() string { return "" }
