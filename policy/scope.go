package policy

import (
	"errors"
)

// scope is what the conditions of rules see in one decision. The attributes of
// the Schema read it.
type scope struct {
	call  *Call // normalized
	claim any   // the claim's facts
}

// fact returns a getter of an attribute of one kind of claim.
func fact[F, V any](get func(*F) V) func(*scope) V {
	return func(s *scope) V { return get(s.claim.(*F)) }
}

var errNoLookUp = errors.New("it cannot be looked up here")

// lookUp returns a name as HCL compares it.
func lookUp(look func() (string, error)) (string, error) {
	if look == nil {
		return "", errNoLookUp
	}
	name, err := look()
	normalize(&name)
	return name, err
}

// lookUpAll returns names as HCL compares them.
func lookUpAll(look func() ([]string, error)) ([]string, error) {
	if look == nil {
		return nil, errNoLookUp
	}
	names, err := look()
	return normalizedList(names), err
}
