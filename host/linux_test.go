//go:build linux && !portable

package host

import (
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestLinuxDoesNotTakeWhatItCannotSeeForMissing(t *testing.T) {
	dir := t.TempDir()
	if got, err := entersProcess(dir+"/gone", "elsewhere"); err == nil || got {
		t.Errorf("the kind of a file system: got %t (%v)", got, err)
	}
	long := strings.Repeat("x", 256)
	if got, err := (Machine{}).HasInterface(long); err == nil || got {
		t.Errorf("an interface: got %t (%v)", got, err)
	}
	if got, err := (Machine{}).HasForeignPorts(long); err == nil || got {
		t.Errorf("a bridge: got %t (%v)", got, err)
	}
}

func TestWhatIsNoBridgeHasNoForeignPorts(t *testing.T) {
	for _, name := range []string{"nowhere", "lo"} {
		if got, err := (Machine{}).HasForeignPorts(name); got || err != nil {
			t.Errorf("%s: got %t (%v)", name, got, err)
		}
	}
}

func TestAnInterfaceIsFoundByItsAlternativeNames(t *testing.T) {
	if !inNamespaces(t, 0, unix.CLONE_NEWNET) {
		return
	}
	bridge := addLink(t, &netlink.Bridge{LinkAttrs: named("br0")})
	names := []string{"office-lan", "the-lan-of-the-whole-office"}
	for _, name := range names {
		if err := netlink.LinkAddAltName(bridge, name); err != nil {
			t.Fatal(err)
		}
	}
	address := &net.IPNet{IP: net.IPv4(192, 0, 2, 1), Mask: net.CIDRMask(24, 32)}
	if err := netlink.AddrAdd(bridge, &netlink.Addr{IPNet: address}); err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, "br0") {
		if got, err := (Machine{}).HasInterface(name); !got || err != nil {
			t.Errorf("%s: got %t (%v)", name, got, err)
		}
		if got, err := (Machine{}).HasForeignPorts(name); got || err != nil {
			t.Errorf("%s without ports: got %t (%v)", name, got, err)
		}
		got, err := (Machine{}).Addresses(name)
		if len(got) != 1 || got[0].String() != "192.0.2.1" || err != nil {
			t.Errorf("%s: got %v (%v)", name, got, err)
		}
	}
	setMaster(t, addLink(t, tap("eth0")), bridge)
	for _, name := range append(names, "br0") {
		if got, err := (Machine{}).HasForeignPorts(name); !got || err != nil {
			t.Errorf("%s with a port: got %t (%v)", name, got, err)
		}
	}
}

// TestPortsOfABridgeAreForeign holds of each port on a bridge of its own.
func TestPortsOfABridgeAreForeign(t *testing.T) {
	if !inNamespaces(t, 0, unix.CLONE_NEWNET) {
		return
	}
	for name, test := range map[string]struct {
		port netlink.Link
		want bool
	}{
		"a container's":                  {&netlink.Veth{LinkAttrs: named("veth1a2b3c4"), PeerName: "eth0", PeerNamespace: otherNamespace(t)}, false},
		"a veth that leads back to here": {&netlink.Veth{LinkAttrs: named("veth0"), PeerName: "veth1"}, true},
		"a veth by another name":         {&netlink.Veth{LinkAttrs: named("lan0"), PeerName: "eth0", PeerNamespace: otherNamespace(t)}, true},
		"a card that is named veth":      {tap("veth2"), true},
		"a virtual machine's":            {tap("tap0"), true},
	} {
		t.Run(name, func(t *testing.T) {
			bridge := addLink(t, &netlink.Bridge{LinkAttrs: named("br" + test.port.Attrs().Name)})
			setMaster(t, addLink(t, test.port), bridge)
			if got, err := (Machine{}).HasForeignPorts(bridge.Attrs().Name); got != test.want || err != nil {
				t.Errorf("got %t (%v) want %t", got, err, test.want)
			}
		})
	}
}

func named(name string) netlink.LinkAttrs {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	return attrs
}

// tap is an interface that is no veth, as a network card is.
func tap(name string) netlink.Link {
	return &netlink.Tuntap{LinkAttrs: named(name), Mode: netlink.TUNTAP_MODE_TAP}
}

// addLink makes a network interface, and returns it as the kernel has it.
func addLink(t *testing.T, link netlink.Link) netlink.Link {
	t.Helper()
	if err := netlink.LinkAdd(link); err != nil {
		t.Fatal(err)
	}
	made, err := netlink.LinkByName(link.Attrs().Name)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func setMaster(t *testing.T, port, bridge netlink.Link) {
	t.Helper()
	if err := netlink.LinkSetMaster(port, bridge); err != nil {
		t.Fatal(err)
	}
}

// otherNamespace makes a network namespace that lasts as long as the test.
func otherNamespace(t *testing.T) netlink.NsFd {
	t.Helper()
	made := make(chan *os.File)
	go func() {
		defer close(made)
		runtime.LockOSThread() // the thread ends with this goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		file, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			t.Error(err)
			return
		}
		made <- file
	}()
	file, ok := <-made
	if !ok {
		t.FailNow()
	}
	t.Cleanup(func() { file.Close() })
	return netlink.NsFd(file.Fd())
}
