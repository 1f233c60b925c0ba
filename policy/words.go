package policy

import (
	"fmt"
	"strings"

	"github.com/agext/levenshtein"
)

// didYouMean suggests the name that is most like a misspelt one, with a blank
// before the sentence. It returns "" if no name is like it.
func didYouMean(name string, names []string) string {
	if near := nearest(name, names); near != "" {
		return fmt.Sprintf(" Did you mean %q?", near)
	}
	return ""
}

// nearest returns the name that differs least from a misspelt one, "" if all
// differ much.
func nearest(name string, names []string) string {
	best, least := "", 3
	name = strings.ToLower(name)
	for _, candidate := range names {
		other := strings.ToLower(candidate)
		far := levenshtein.Distance(name, other, nil)
		if len(name) > 2 && strings.HasPrefix(other, name) {
			far = min(far, 1)
		}
		if far < least && far < min(len(name), len(other)) {
			best, least = candidate, far
		}
	}
	return best
}

// list joins names as a sentence does.
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// article puts a or an before a noun.
func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}
