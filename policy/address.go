package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// parseAddress reads an address that an Engine can publish on.
func parseAddress(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("holds %q, which is no IP address", text)
	}
	return addr.Unmap(), nil
}

// parseAddresses reads a string, or a list of strings and lists. It returns
// each address once.
func parseAddresses(v cty.Value) ([]netip.Addr, error) {
	ty := v.Type()
	switch {
	case v.IsNull():
		return nil, errors.New("holds null")
	case ty == cty.String:
		addr, err := parseAddress(v.AsString())
		if err != nil {
			return nil, err
		}
		return []netip.Addr{addr}, nil
	case !ty.IsTupleType() && !ty.IsListType() && !ty.IsSetType():
		return nil, fmt.Errorf("holds a %s, which is no address", ty.FriendlyName())
	}
	var all []netip.Addr
	for _, element := range v.AsValueSlice() {
		addrs, err := parseAddresses(element)
		if err != nil {
			return nil, err
		}
		for _, addr := range addrs {
			if !slices.Contains(all, addr) {
				all = append(all, addr)
			}
		}
	}
	return all, nil
}

// joinAddresses writes addresses as in a sentence.
func joinAddresses(addrs []netip.Addr) string {
	texts := make([]string, len(addrs))
	for i, addr := range addrs {
		texts[i] = addr.String()
	}
	return strings.Join(texts, ", ")
}
