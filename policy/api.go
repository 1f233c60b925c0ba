package policy

// API is the call itself.
type API struct{}

func (API) Kind() Kind { return KindAPI }

func (API) Subject() string { return "this call" }

func (API) Effect() string { return "was let through" }

func (API) Infinitive() string { return "be made" }
