package jsonedit

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"
)

func rootOf(t testing.TB, src string) Value {
	t.Helper()
	tree, err := Parse(src)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return (&Document{Tree: tree, Refuse: func(pointer, problem string) { t.Errorf("%s: %s: %s", src, pointer, problem) }}).Root()
}

func TestWithItemsKeepsWhatStandsBetweenItems(t *testing.T) {
	for _, test := range []struct {
		name, list    string
		items, before []string
		want          string
	}{
		{"every item", "[ 1 ,\n2 ]", []string{"3", "4"}, nil, "[ 3 ,\n4 ]"},
		{"the first item goes", "[ 1 ,\n2 , 3 ]", []string{"", "2", "3"}, nil, "[ 2 , 3 ]"},
		{"the last item goes", "[1, 2\n]", []string{"1", ""}, nil, "[1\n]"},
		{"all items go", "[ 1, 2 ]", []string{"", ""}, nil, "[  ]"},
		{"an item becomes two", "[1, 2]", []string{"3,4", "2"}, nil, "[3,4, 2]"},
		{"new items come first", "[ 1, 2 ]", []string{"1", "2"}, []string{"8", "9"}, "[ 8,9,1, 2 ]"},
		{"new items, and the first goes", "[1, 2]", []string{"", "2"}, []string{"9"}, "[9, 2]"},
		{"new items alone", "[1]", []string{""}, []string{"9"}, "[9]"},
		{"an empty list", "[ ]", []string{"1", "2"}, nil, "[1,2]"},
		{"null", "null", []string{"1"}, []string{"9"}, "[9,1]"},
		{"null stays without items", "null", nil, nil, "[]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := rootOf(t, test.list).WithItems(test.items, test.before...); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if got, want := (Value{}).WithItems([]string{"1", "2"}), "[1,2]"; got != want {
		t.Errorf("absent: got %q, want %q", got, want)
	}
}

func TestSpliceRefusesEditsThatOverlap(t *testing.T) {
	root := rootOf(t, `{"a":{"b":1}}`)
	var edits Edits
	edits.Replace(root.Field("a"), "2")
	edits.Replace(root.Field("a").Field("b"), "3")
	got, err := Splice(`{"a":{"b":1}}`, edits)
	if want := "two changes overlap at byte 10"; got != nil || err == nil || err.Error() != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

// FuzzSplice holds that untouched bytes stay, whatever is edited around them.
func FuzzSplice(f *testing.F) {
	f.Add([]byte(`{"a":[1, 2 ,{}],"b" : null}`), uint64(3))
	for _, body := range caseBodies(f) {
		f.Add(body, uint64(len(body)))
	}
	f.Fuzz(func(t *testing.T, src []byte, seed uint64) {
		tree, err := Parse(string(src))
		if err != nil {
			return
		}
		doc := &Document{Tree: tree, Refuse: func(string, string) {}}
		r := rand.New(rand.NewPCG(seed, 0))
		var edits Edits
		var want bytes.Buffer // the text with the edits that were chosen so far
		at, skip := int32(0), int32(0)
		for i, n := range tree.nodes {
			v := Value{doc, int32(i)}
			if int32(i) < skip {
				continue
			}
			switch {
			case r.IntN(4) == 0:
				edits.Replace(v, `"new"`)
				want.Write(src[at:n.start])
				want.WriteString(`"new"`)
				at, skip = n.end, n.next
			case n.kind == '[' && r.IntN(2) == 0:
				edits.Insert(v, `"more"`)
				want.Write(src[at : n.start+1])
				want.WriteString(`"more"`)
				if !v.Empty() {
					want.WriteString(",")
				}
				at = n.start + 1
			}
		}
		want.Write(src[at:])
		got, err := Splice(src, edits)
		if err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("%q: got %q (%v), want %q", src, got, err, want.Bytes())
		}
		if !json.Valid(got) {
			t.Errorf("%q: the result is not JSON: %q", src, got)
		}
	})
}
