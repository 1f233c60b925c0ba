package policy

// SomeNames are the words of an API in the tests of this package.
var SomeNames = Names{
	Endpoints:  []string{"container.create", "container.start", "image.build"},
	Modes:      []string{"host", "macvlan", "ipvlan", "routed"},
	Privileges: []string{"privileged", "cap", "device", "buildkit"},
}
