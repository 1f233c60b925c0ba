package policy

// File is one policy file.
type File struct {
	Name string // for messages, as in "policy.hcl"
	Src  []byte
}

// Policy is a list of rules, ready to decide.
type Policy struct{}

// Parse reads policies. Rules of an earlier file are tried before those of a
// later one; callers put the built-in policy last. The error is a
// *Diagnostics.
func Parse(files ...File) (*Policy, error) { return &Policy{}, nil }

// Decide gives the decision of the first rule that holds for a claim.
func (p *Policy) Decide(call *Call, claim Claim) Decision { return Decision{} }

// Observe tells whether the policy only reports.
func (p *Policy) Observe() bool { return false }

// Filters tells whether an api rule may do anything but allow. If not, calls
// that are not intercepted need not be decided.
func (p *Policy) Filters() bool { return false }
