// Package examples embeds the policies of this folder that a user's own can
// begin with. Each policy has its test cases beside it, in a file that ends in
// .policytest.hcl; "safesock test examples" runs them.
package examples

import "embed"

// Policies are the files NAME.hcl.
//
//go:embed ci.hcl homelab.hcl laptop.hcl readonly.hcl strict.hcl team.hcl
var Policies embed.FS
