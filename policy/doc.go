// Package policy decides claims. Policy files, written in HCL, go in. For each
// claim that a call makes on the host, a decision comes out: an action, and the
// rule that says so. The package knows HCL and nothing of Docker, and does no
// I/O: its callers read files, and find the claims of a call.
//
// Parse reads policy files. It returns every mistake in them at once, each with
// its source line and with what to write instead.
//
//	p, err := policy.Parse(names, policy.File{Name: "team.hcl", Src: src}, builtin)
//	if err != nil {
//		return err // a *Diagnostics, for people to read
//	}
//	log.Print(p.Warnings(time.Now()))
//
// Names are the words of the API that policies compare attributes with: the
// package finds misspelt words, and its callers know which words there are.
//
// For and Decide decide the claims of one call. The first rule that holds for a
// claim decides it. A claim is denied if no rule holds, or if the condition of a
// rule fails.
//
//	decider := p.For(&policy.Call{Endpoint: "container.create", Time: time.Now()})
//	decision := decider.Decide(policy.Port{Container: 80, Protocol: "tcp", Bindable: true})
//	switch decision.Action {
//	case policy.Deny:
//		return errors.New(decision.Reason)
//	case policy.Bind:
//		publish(decision.To)
//	}
//
// A Decision explains itself: Rule says which rule of which line decided,
// Message is what the rule's author has to say, and Reason is why an expression
// failed or an address was left out.
//
// Each kind of claim has a file: its type, the words in which people read of it,
// and the attributes that rules see. Schema is the language: a new kind,
// attribute, action or function is a row of it. The checks of Parse, the values
// of expressions and the reference in docs/policy.md follow from the rows.
//
// The files of the package use each other in one direction: claims and the
// Schema, then diagnostics, expressions and Policy, then Decider, and last the
// loader, which checks and parses.
package policy
