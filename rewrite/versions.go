package rewrite

import (
	"strconv"
	"strings"
)

// The newest APIs whose routes and bodies were reviewed. A call that names a
// later one is not Known.
const (
	newestEngine = "1.56"  // moby
	newestLibpod = "6.0.0" // Podman's own API
)

// olderThan compares API versions number by number, as the Engine does
// (moby: versions.compare): a part that is missing or is no number counts as 0.
func olderThan(version, than string) bool {
	for version != "" || than != "" {
		var a, b string
		a, version, _ = strings.Cut(version, ".")
		b, than, _ = strings.Cut(than, ".")
		if x, y := number(a), number(b); x != y {
			return x < y
		}
	}
	return false
}

func number(part string) int {
	if part == "" {
		return 0 // without the error, which costs an allocation
	}
	n, _ := strconv.Atoi(part) // too large a number is the largest
	return n
}
