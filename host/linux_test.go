//go:build linux && !portable

package host

import (
	"strings"
	"testing"
)

func TestLinuxDoesNotTakeWhatItCannotSeeForMissing(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("x", 256)
	if got, err := entersProcess(dir+"/gone", "elsewhere"); err == nil || got {
		t.Errorf("the kind of a file system: got %t (%v)", got, err)
	}
	for _, in := range []struct{ sysNet, name string }{{dir + "/gone", "lo"}, {dir, long}} {
		if got, err := hasInterface(in.sysNet, in.name); err == nil || got {
			t.Errorf("an interface in %s: got %t (%v)", in.sysNet, got, err)
		}
		if got, err := hasForeignPorts(in.sysNet, in.name); err == nil || got {
			t.Errorf("a bridge in %s: got %t (%v)", in.sysNet, got, err)
		}
	}
}

func TestWhatIsNoBridgeHasNoForeignPorts(t *testing.T) {
	for _, name := range []string{"nowhere", "lo"} {
		if got, err := (Machine{}).HasForeignPorts(name); got || err != nil {
			t.Errorf("%s: got %t (%v)", name, got, err)
		}
	}
}
