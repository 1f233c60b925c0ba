package policy

import (
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"strings"
)

// What follows tells of a text that an attribute is compared with why it is
// never that one, and what to write instead; "" if it may be.

func oddAddress(text string) string {
	addr, err := netip.ParseAddr(text)
	switch {
	case text == "":
		return ""
	case err == nil && addr.Zone() == "" && addr.Unmap().String() == text:
		return ""
	case err == nil && addr.Zone() == "":
		return fmt.Sprintf("it is an address in its shortest spelling. Write %q.", addr.Unmap())
	case strings.EqualFold(text, "localhost"):
		return `it is an address, not a name. Write port.scope == "loopback".`
	case text == "*":
		return `it is one address. Write port.scope == "any", or "unset" for a client that names none.`
	}
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return fmt.Sprintf("it is one address. Write cidrcontains(%q, port.ip).", prefix.Masked())
	}
	return `it is an IP address, or "".`
}

func oddSource(text string) string {
	switch {
	case text == "":
		return ""
	case strings.HasPrefix(text, "~"):
		return "no home folder is looked up in it. Write its absolute path."
	case path.IsAbs(text) && path.Clean(text) != text:
		return fmt.Sprintf("it has no slash at its end, and no dots. Write %q.", path.Clean(text))
	}
	return ""
}

func oddRight(text string) string {
	if name, ok := strings.CutPrefix(strings.ToUpper(text), "CAP_"); ok {
		return fmt.Sprintf("capabilities are written without CAP_. Write %q.", name)
	}
	return ""
}

var versioned = regexp.MustCompile(`^/v[0-9.]+/`)

func oddPath(text string) string {
	switch {
	case versioned.MatchString(text):
		return fmt.Sprintf("the API version is no part of it. Write %q.", versioned.ReplaceAllString(text, "/"))
	case text != "" && !path.IsAbs(text):
		return fmt.Sprintf("it begins with a slash. Write %q.", "/"+text)
	case strings.Contains(text, "?"):
		return fmt.Sprintf("the query is no part of it. Write %q.", before(text, "?"))
	}
	return ""
}

func oddVersion(text string) string {
	if number, ok := strings.CutPrefix(text, "v"); ok {
		return fmt.Sprintf("it has no v. Write %q.", number)
	}
	return ""
}
