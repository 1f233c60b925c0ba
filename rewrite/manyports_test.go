package rewrite

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// each is a JSON list of n items, or the members of an object.
func each(n int, item func(i int) string) string {
	var all strings.Builder
	for i := range n {
		if i > 0 {
			all.WriteByte(',')
		}
		all.WriteString(item(i))
	}
	return all.String()
}

// Compose expands every range to single ports.
func composeRange(first, last int) []byte {
	n := last - first + 1
	exposed := each(n, func(i int) string { return fmt.Sprintf(`"%d/udp":{}`, first+i) })
	bindings := each(n, func(i int) string { return fmt.Sprintf(`"%d/udp":[{"HostIp":"","HostPort":"%[1]d"}]`, first+i) })
	return []byte(`{"Image":"coturn","ExposedPorts":{` + exposed + `},"HostConfig":{"PortBindings":{` + bindings + `}}}`)
}

// raceDetector is true in a test binary whose allocations are padded for the race
// detector.
var raceDetector bool

// TestManyPortsTakeLittleMemory holds that a call's memory grows with its body, and
// by at most 600 bytes for each port besides. All memory that was allocated counts,
// so that garbage which waits for its collection is included.
func TestManyPortsTakeLittleMemory(t *testing.T) {
	w := newWorld()
	p := w.parse(t)
	for _, test := range []struct {
		name, target string
		body         []byte
		ports        int
		want         int // outcomes
	}{
		{"empty bindings", "/containers/create", []byte(`{"HostConfig":{"PortBindings":{"80/tcp":[` + each(maxPorts, func(int) string { return "{}" }) + `]}}}`), maxPorts, 1},
		{"a range of Compose's", "/containers/create", composeRange(49152, 65535), 16384, 1},
		{"two ranges of Podman's", "/v5.0.0/libpod/containers/create", []byte(`{"portmappings":[
			{"container_port":1,"host_port":1,"range":32767,"protocol":"tcp,udp"}]}`), 2 * 32767, 2},
		{"ports of a service", "/services/create", []byte(`{"EndpointSpec":{"Ports":[` + each(maxPorts, func(int) string { return "{}" }) + `]}}`), maxPorts, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := testCall(t, "POST", test.target, test.body)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			r, _ := Apply(p, c, w)
			runtime.ReadMemStats(&after)
			most := uint64(600*test.ports + 24*len(test.body))
			if raceDetector {
				most += most / 10
			}
			got := after.TotalAlloc - before.TotalAlloc
			if got > most {
				t.Errorf("allocated %d bytes, which is %d for each port; want at most %d", got, got/uint64(test.ports), most)
			}
			if len(r.Outcomes) != test.want {
				t.Errorf("got %d outcomes, want %d", len(r.Outcomes), test.want)
			}
		})
	}
}

func BenchmarkApplyToARange(b *testing.B) {
	w := newWorld()
	p, c := w.parse(b), testCall(b, "POST", "/containers/create", composeRange(49152, 65535))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Apply(p, c, w); err != nil {
			b.Fatal(err)
		}
	}
}
