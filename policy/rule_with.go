package policy

import (
	"path"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// readWith reads the socket that a rule mounts.
func (l *loader) readWith(r *rule, attr *hclsyntax.Attribute) {
	text, ok := l.constantString(attr)
	switch {
	case !ok:
	case !path.IsAbs(text) || strings.ContainsAny(text, ":\x00"): // a colon ends the path in a mount like /a:/b
		l.fault(attr.Expr.Range(), "Unsuitable socket", `%q is no absolute path without colons. Write the path of a socket on the host, as in with = "/run/safesock-readonly/docker.sock".`, text)
	default:
		r.with = path.Clean(text)
	}
}
