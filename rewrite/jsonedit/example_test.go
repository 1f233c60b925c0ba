package jsonedit_test

import (
	"fmt"

	"github.com/safesock/safesock/rewrite/jsonedit"
)

// A port moves to another address. The client's spelling and white space stay.
func Example() {
	src := `{ "image": "web",  "ports": [ {"HOSTIP":"", "HostPort":"080"} ] }`
	tree, err := jsonedit.Parse(src)
	if err != nil {
		fmt.Println(err)
		return
	}
	doc := &jsonedit.Document{Tree: tree, Refuse: func(pointer, problem string) {
		fmt.Printf("%s: %s\n", pointer, problem)
	}}
	var edits jsonedit.Edits
	for port := range doc.Root().Field("Ports").Items() {
		fmt.Println(port.Pointer(), "publishes", port.Field("HostPort").Text())
		edits.Set(port, "HostIp", jsonedit.Quote("127.0.0.1"))
	}
	doc.Root().Field("Image").Number()
	changed, err := jsonedit.Splice(src, edits)
	fmt.Println(string(changed), err)
	// Output:
	// /ports/0 publishes 080
	// /image: not a number
	// { "image": "web",  "ports": [ {"HOSTIP":"127.0.0.1", "HostPort":"080"} ] } <nil>
}
