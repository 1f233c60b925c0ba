package policy

// Schema is the policy language. Parse checks policies against it.
var Schema = Spec{
	Settings: []Setting{
		{"mode", "string", `"enforce", or "observe": report what would be done and forward every call as it came`},
		{"inherit", "bool", "false leaves the built-in policy out; what no rule decides is denied then"},
	},
	Rule: []Setting{
		{"when", "bool", "the rule decides the claims for which this holds; without it, all of its kind"},
		{"action", "string", "what to do about the claim"},
		{"to", "list of string", "for bind: the addresses to publish on; literals, interface(name), or both"},
		{"with", "string", "for replace: the socket to mount instead of the Engine's, an absolute path; without it, safesock's own"},
		{"message", "string", "what the client is told besides"},
		{"expires", "string", "the time from which on the rule is skipped, as in \"2027-01-01T00:00:00Z\""},
	},
	Kinds: []KindSpec{portKind, networkKind, mountKind, privilegeKind, apiKind},
	Objects: []Object{
		{"call", "The API request.", callAttributes},
		{"container", "What the call says about its container.", containerAttributes},
		{"compose", "What Compose's labels say; empty for a container that is not Compose's.", composeAttributes},
		{"build", "What the call says about a build by BuildKit; empty for others.", buildAttributes},
		{"client", "Who made the call, from the socket's peer credentials.", clientAttributes},
	},
	Functions: functions,
}
