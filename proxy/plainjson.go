package proxy

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What every reader of the log can be expected to take. jq 1.6 follows 256
// levels, of which the record itself needs some; Python converts no number of
// more than 4,300 digits, and encoding/json none beyond float64.
const (
	plainDepth  = 64
	plainDigits = 100 // of a number
)

// isPlainJSON reports whether a text is JSON that every reader of the log can
// read: a client writes it, and a reader that stops at it does not see what the
// client did afterwards.
func isPlainJSON(text string) bool {
	if !json.Valid([]byte(text)) || !utf8.ValidString(text) {
		return false
	}
	depth := 0
	tokens := json.NewDecoder(strings.NewReader(text))
	tokens.UseNumber()
	for {
		token, err := tokens.Token()
		if err != nil {
			break // the end: the text is valid
		}
		switch token := token.(type) {
		case json.Delim:
			if token == '{' || token == '[' {
				depth++
			} else {
				depth--
			}
			if depth > plainDepth {
				return false
			}
		case json.Number:
			if _, err := strconv.ParseFloat(token.String(), 64); err != nil || len(token) > plainDigits {
				return false
			}
		}
	}
	return !hasLoneSurrogate([]byte(text))
}

// hasLoneSurrogate reports whether valid JSON has an escape such as \ud800 that
// is half of a character. encoding/json reads it as U+FFFD, others stop at it.
func hasLoneSurrogate(text []byte) bool {
	for {
		i := bytes.IndexByte(text, '\\')
		switch {
		case i < 0:
			return false
		case text[i+1] != 'u':
			text = text[i+2:]
			continue
		}
		unit := escapedUnit(text[i:])
		text = text[i+6:]
		switch {
		case unit>>10 == 0xDC00>>10: // a low half without a high one
			return true
		case unit>>10 == 0xD800>>10:
			if !bytes.HasPrefix(text, []byte(`\u`)) || escapedUnit(text)>>10 != 0xDC00>>10 {
				return true
			}
			text = text[6:]
		}
	}
}

// escapedUnit is the UTF-16 code unit of an escape like \u0041.
func escapedUnit(escape []byte) uint64 {
	unit, err := strconv.ParseUint(string(escape[2:6]), 16, 16)
	if err != nil {
		panic(err) // valid JSON has four digits there
	}
	return unit
}
