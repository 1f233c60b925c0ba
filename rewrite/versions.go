package rewrite

import (
	"strconv"
	"strings"
)

// The newest API versions whose routes and bodies were reviewed. A call with a
// later version is not Known.
const (
	newestEngine = "1.56"  // moby
	newestLibpod = "6.0.0" // Podman's own API
)

// olderThan compares API versions number by number, as the Engine does
// (moby: versions.compare): a part that is missing or not a number counts as 0.
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
		return 0 // faster than an error, which allocates
	}
	n, _ := strconv.Atoi(part) // for a number that is too large, n is the largest int
	return n
}
