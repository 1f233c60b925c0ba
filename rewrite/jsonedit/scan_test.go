package jsonedit

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// caseBodies are the bodies of the calls in package rewrite's case files.
func caseBodies(f *testing.F) (bodies [][]byte) {
	files, err := filepath.Glob("../testdata/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, section := range archive.Files {
			if !strings.HasPrefix(section.Name, "call") {
				continue
			}
			if start := strings.IndexAny(string(section.Data), "{["); start >= 0 {
				bodies = append(bodies, bytes.TrimSpace(section.Data[start:]))
			}
		}
	}
	return bodies
}

// FuzzScan holds that every text that Parse accepts is valid for encoding/json,
// and that what is read from it is what encoding/json reads.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-2.5e+3,true,false,null,"\u00e9\n"],"":{}}`, ` [ ] `, `"\ud800"`, `01`, `{"a":}`, "\"\xff\"", `1e`, `-`, `[1,]`, `{"a" : 1 , "b":[[]]}`} {
		f.Add([]byte(seed))
	}
	for _, body := range caseBodies(f) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		tree, err := Parse(string(src))
		if err != nil {
			if json.Valid(src) && !strings.Contains(err.Error(), "nested") {
				t.Fatalf("%q is valid, but: %v", src, err)
			}
			return
		}
		var want any
		if err := json.Unmarshal(src, &want); err != nil {
			if strings.Contains(err.Error(), "cannot unmarshal number") {
				return // 1e400 is valid
			}
			t.Fatalf("%q: encoding/json: %v", src, err)
		}
		got, _ := json.Marshal(decoded((&Document{Tree: tree}).Root()))
		if want, _ := json.Marshal(want); !bytes.Equal(got, want) {
			t.Errorf("%q: got %s, want %s", src, got, want)
		}
	})
}

// decoded is a value as encoding/json decodes it into an any.
func decoded(v Value) any {
	switch v.node().kind {
	case '{':
		all := map[string]any{}
		for m := range v.children() {
			all[m.key()] = decoded(m)
		}
		return all
	case '[':
		all := []any{}
		for item := range v.children() {
			all = append(all, decoded(item))
		}
		return all
	case '"':
		return v.Text()
	case 't', 'f':
		return v.Flag()
	case 'n':
		return nil
	}
	var n float64
	json.Unmarshal([]byte(v.Raw()), &n)
	return n
}
