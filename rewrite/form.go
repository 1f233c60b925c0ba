package rewrite

import (
	"mime"
	"net/http"
)

// isForm reports whether net/http reads a body as parameters. It ignores mistakes
// behind the media type.
func isForm(h http.Header) bool {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return kind == "application/x-www-form-urlencoded"
}
