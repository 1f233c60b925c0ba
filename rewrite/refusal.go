package rewrite

// Refusal is the error of a call that must not be forwarded.
type Refusal struct {
	Status  int    // HTTP status: 400 not understood, 403 denied by a rule, 413, 500, 502
	Message string // for the client, with what to do next
}

func (r *Refusal) Error() string { return r.Message }
