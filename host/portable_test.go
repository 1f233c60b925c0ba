//go:build !linux || portable

package host

import "testing"

func TestABridgeThatCannotBeSeenHasForeignPorts(t *testing.T) {
	if got, err := (Machine{}).HasForeignPorts("docker0"); !got || err != nil {
		t.Errorf("got %t (%v)", got, err)
	}
}
