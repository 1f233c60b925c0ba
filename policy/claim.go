package policy

// Kind names what a claim is about. It is the type of the policy's blocks.
type Kind string

// A Claim is one thing that a call asks of the host: a Port, a Network, a
// Mount, a Privilege, or the call itself, API. As JSON it has the names of the
// policy language. Each kind has a file of its own. The file holds the words in
// which messages speak of the claim ("SUBJECT EFFECT", "SUBJECT may not
// INFINITIVE") and the words in which tables show it ("TITLE | ASKED").
type Claim interface {
	Kind() Kind
	Subject() string    // what the claim is about, as in "80/tcp"
	Effect() string     // what comes of it, as in "is published on every interface"
	Infinitive() string // what it asks for, as in "be published on every interface"

	Title() string   // kind and subject in a column of a table, as in "port 80/tcp"
	Asked() string   // what is asked for in a column of a table, as in "*:8080"; "" if Title says all
	Written() string // the part of the claim that its author writes down, to find its line; "" if there is none

	// facts returns a pointer to what the conditions of rules see of the claim,
	// nil if they see nothing of it. It may write them to kept, if that is what it
	// returned for another claim of its kind.
	facts(kept any) any
}

// roomFor returns kept if it has room for facts of the type T, or else new room.
func roomFor[T any](kept any) *T {
	if room, ok := kept.(*T); ok {
		return room
	}
	return new(T)
}

// replaceable is implemented by the claims whose rules can have the action replace.
type replaceable interface {
	irreplaceable() string // why nothing can be put in the place of what is asked for, "" if something can
}
