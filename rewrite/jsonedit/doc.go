// Package jsonedit reads JSON as encoding/json reads it into a struct, and
// edits it without touching the bytes around a change. It knows nothing of
// Docker.
//
// A JSON text goes in. Parse checks all of it and finds the place of every
// value. A Document gives the tree a name and a function that is told of every
// value that cannot be used: one of the wrong type, or a key that appears
// twice. Values are read from the document's root. Reading never fails: a value
// that is absent, null or of the wrong type reads as an empty one.
//
// Edits note what to change, and Splice returns the text with the changes made.
// All other bytes stay as they came: spelling, white space, the order of keys.
//
//	tree, err := jsonedit.Parse(src)
//	if err != nil {
//		return err
//	}
//	doc := &jsonedit.Document{Tree: tree, Refuse: func(pointer, problem string) {
//		err = fmt.Errorf("%s: %s", pointer, problem)
//	}}
//	var edits jsonedit.Edits
//	if host := doc.Root().Field("HostConfig"); host.Field("Privileged").Flag() {
//		edits.Set(host, "Privileged", "false")
//	}
//	if err != nil {
//		return err
//	}
//	changed, err := jsonedit.Splice(src, edits)
package jsonedit
