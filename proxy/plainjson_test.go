package proxy

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestWhatNotEveryReaderCanReadIsAStringInTheLog(t *testing.T) {
	digits := strings.Repeat("9", 5000)
	deep := strings.Repeat("[", 300) + strings.Repeat("]", 300)
	for text, asItCame := range map[string]bool{
		`{"HostIp":"","HostPort":"80"}`:        true,
		`[1,-2.5e3,true,null,"\u00e9\\ud800"]`: true,
		`"\ud83d\ude00"`:                       true,
		`{"x":"\ud800"}`:                       false,
		`{"x":"\udc00\ud800"}`:                 false,
		`"\ud800\u0041"`:                       false,
		`"\ud800`:                              false,
		deep:                                   false,
		digits:                                 false,
		"1e980":                                false,
		"\"\xff\"":                             false,
		"not JSON":                             false,
	} {
		got := rawJSON(text)
		if string(got) == text != asItCame {
			t.Errorf("%.60s: got %.60s, want it as it came: %t", text, got, asItCame)
		}
		var quoted string
		if !asItCame && (json.Unmarshal(got, &quoted) != nil || quoted != strings.ToValidUTF8(text, "\ufffd")) {
			t.Errorf("%.60s: got %.60s, want it as a string", text, got)
		}
	}
}
