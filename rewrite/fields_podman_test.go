package rewrite

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/safesock/safesock/rewrite/jsonedit"
)

// hostilePodman is the hostile world with Podman as its Engine.
type hostilePodman struct{ hostile }

func (h *hostilePodman) Engine(path string) (Answer, error) {
	switch {
	case path == "/version":
		return Answer{Status: http.StatusOK, Body: whole(path, `{"ApiVersion":"1.41","Components":[{"Name":"Podman Engine","Version":"5.8.2"}]}`)}, nil
	case strings.HasPrefix(path, "/v4.0.0/libpod/pods/"):
		return Answer{Status: http.StatusOK, Body: whole(path, `{"Id":"3d","Name":"x","InfraConfig":{"HostNetwork":true}}`)}, nil
	}
	return h.hostile.Engine(path)
}

// podmanValues are JSON values of the types that typeFields and the files in
// testdata/podman name. Texts are such that what reads them has something to claim.
var podmanValues = map[string][]string{
	"any":                     {"{}"},
	"bool":                    {"true", "false"},
	"bytes":                   {`"aGk="`},
	"ip":                      {`"192.0.2.1"`},
	"libpod.UInt64OrMinusOne": {"-1"},
	"network.HardwareAddr":    {`"02:00:00:00:00:01"`},
	"number":                  {"1"},
	"set":                     {`{"80/tcp":{}}`, `{"/proc:/x":{}}`},
	"string":                  {`"x"`, `"host"`, `"/proc/1/root"`, `"upperdir=/x"`, `"a:b"`, `"oci:/x"`},
	"strslice.StrSlice":       {`["x"]`},
	"subnet":                  {`"192.0.2.0/24"`},
	"time":                    {`"2026-07-01T12:00:00Z"`},
	"types.HardwareAddr":      {`"02:00:00:00:00:01"`},
	"types.IPNet":             {`"192.0.2.0/24"`},
}

// podmanKeys are the members that maps have.
var podmanKeys = []string{"80/tcp", "80", "device", "mode", "pasta", "path", "com.docker.network.x"}

// podmanBodies are bodies in which a field stands alone. Steps are the rest of
// its path.
func podmanBodies(steps []string, values []string) (bodies []string) {
	if len(steps) == 0 {
		return values
	}
	inside := podmanBodies(steps[1:], values)
	for _, body := range inside {
		switch steps[0] {
		case "0":
			bodies = append(bodies, "["+body+"]")
		case "*":
			for _, key := range podmanKeys {
				bodies = append(bodies, "{"+jsonedit.Quote(key)+":"+body+"}")
			}
		default:
			bodies = append(bodies, "{"+jsonedit.Quote(steps[0])+":"+body+"}")
		}
	}
	return bodies
}

// podmanFields are the fields that a version of Podman reads, as in
// "POST /libpod/pods/create /hostname string".
func podmanFields(t *testing.T, name string) (fields []string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	endpoint := ""
	for line := range strings.Lines(string(text)) {
		switch line = strings.TrimSuffix(line, "\n"); {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "\t"):
			fields = append(fields, endpoint+" "+line[1:])
		default:
			endpoint = line
		}
	}
	return fields
}
