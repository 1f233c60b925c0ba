package policy

import (
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
)

// normalize brings texts into Unicode's normal form NFC, in which HCL compares
// them.
func normalize(texts ...*string) {
	for _, t := range texts {
		if !isASCII(*t) {
			*t = cty.NormalizeString(*t)
		}
	}
}

// normalizedMap returns a map with normalized keys and elements. If two keys
// normalize to the same text, the later in alphabetical order wins.
func normalizedMap(pairs map[string]string) map[string]string {
	ascii := true
	for key, text := range pairs {
		ascii = ascii && isASCII(key) && isASCII(text)
	}
	if ascii {
		return pairs
	}
	normal := make(map[string]string, len(pairs))
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		normal[cty.NormalizeString(key)] = cty.NormalizeString(pairs[key])
	}
	return normal
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// normalizedList returns a list with normalized elements.
func normalizedList(texts []string) []string {
	texts = slices.Clone(texts)
	for i := range texts {
		normalize(&texts[i])
	}
	return texts
}
