package rewrite

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/safesock/safesock/policy"
)

func TestWarningsAreAddedToAnswers(t *testing.T) {
	warnings := []string{"safesock: a", `safesock: <"b">`}
	for _, test := range []struct {
		name     string
		answer   string
		warnings []string
		want     string
		id       string
	}{
		{"empty list", `{"Id":"1","Warnings":[]}` + "\n", warnings, `{"Id":"1","Warnings":["safesock: a","safesock: <\"b\">"]}` + "\n", "1"},
		{"null", `{"Id":"1","Warnings":null}`, warnings, `{"Id":"1","Warnings":["safesock: a","safesock: <\"b\">"]}`, "1"},
		{"absent", `{"Id":"1"}`, warnings, `{"Warnings":["safesock: a","safesock: <\"b\">"],"Id":"1"}`, "1"},
		{"a list with the Engine's own", `{ "Warnings" : [ "c" ], "Id":"1" }`, warnings[:1], `{ "Warnings" : ["safesock: a", "c" ], "Id":"1" }`, "1"},
		{"what the Engine says itself", `{"Id":"1","Warnings":["safesock: a"]}`, warnings, `{"Id":"1","Warnings":["safesock: <\"b\">","safesock: a"]}`, "1"},
		{"nothing but what the Engine says itself", `{"Id":"1","Warnings":["safesock: a"]}`, warnings[:1], `{"Id":"1","Warnings":["safesock: a"]}`, "1"},
		{"an empty object", `{}`, warnings[:1], `{"Warnings":["safesock: a"]}`, ""},
		{"no warnings", `{"ID":"1"}`, nil, `{"ID":"1"}`, "1"},
		{"no JSON", `created`, warnings, `created`, ""},
		{"a list", `[]`, warnings, `[]`, ""},
		{"no list", `{"Id":"1","Warnings":"c"}`, warnings, `{"Id":"1","Warnings":"c"}`, "1"},
		{"warnings twice", `{"Warnings":[],"warnings":[]}`, warnings, `{"Warnings":[],"warnings":[]}`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, id := Warn([]byte(test.answer), test.warnings)
			if string(got) != test.want || id != test.id {
				t.Errorf("got  %s, id %q\nwant %s, id %q", got, id, test.want, test.id)
			}
		})
	}
}

func TestEachThingIsLookedUpOnceACall(t *testing.T) {
	c := testCall(t, "POST", "/containers/create", []byte(`{"Image":"web:1","HostConfig":{
		"PublishAllPorts":true,"NetworkMode":"shop","Binds":["data:/d","/srv:/srv","/srv:/again"],
		"VolumesFrom":["box"],"PidMode":"container:web"}}`))
	w := newWorld()
	_, err := w.apply(t, w.parse(t), c) // which is edited, and so read twice
	want := []string{"/images/web:1/json", "/networks/shop", "/volumes/data", "/srv", "/containers/box/json", "/containers/web/json"}
	if err != nil || !reflect.DeepEqual(w.asked, want) {
		t.Errorf("got  %v, %v\nwant %v", w.asked, err, want)
	}
}

// Docker has no other form of a container than the one that it was asked for.
func TestDockerIsNotAskedWhatOnlyPodmanKnows(t *testing.T) {
	for docker, want := range map[bool][]string{
		true:  {"/containers/web/json"},
		false: {"/containers/web/json", "/v4.0.0/libpod/containers/f00d/json"},
	} {
		w := newWorld()
		w.engine["/containers/web/json"] = Answer{Status: 200, Body: whole("/containers/web/json", `{"Id":"f00d"}`), Docker: docker}
		_, err := w.apply(t, w.parse(t), testCall(t, "POST", "/containers/web/start", nil))
		if err != nil || !reflect.DeepEqual(w.asked, want) {
			t.Errorf("docker %t: got %v, %v, want %v", docker, w.asked, err, want)
		}
	}
}

func TestLookUpThatFailsRefuses(t *testing.T) {
	c := testCall(t, "POST", "/containers/create", []byte(`{"HostConfig":{"NetworkMode":"shop","VolumesFrom":["box"]}}`))
	w := newWorld()
	w.away = errors.New("the Engine is away")
	_, err := w.apply(t, w.parse(t), c)
	want := &Refusal{502, "safesock: engine /networks/shop: the Engine is away"}
	if !reflect.DeepEqual(err, want) || len(w.asked) != 1 {
		t.Errorf("got %v after asking for %v, want %v after one", err, w.asked, want)
	}

	// A policy that only observes forwards all the same, and tells.
	w.policy = `mode = "observe"`
	r, err := w.apply(t, w.parse(t), c)
	told := Outcome{Claim: policy.API{}, Count: 1, Decision: policy.Decision{Reason: "engine /networks/shop: the Engine is away"}}
	if err != nil || !reflect.DeepEqual(r.Outcomes, []Outcome{told}) || &r.Body[0] != &c.Body[0] {
		t.Errorf("got %v, %v, want %v", r, err, told)
	}
}

func TestCallThatIsNotInterceptedIsDecidedAsACall(t *testing.T) {
	w := &world{policy: `api "no events" {
  when   = call.path == "/events"
  action = "deny"
}`}
	for target, want := range map[string]string{
		"/v1.41/events": `safesock: GET /events may not be made (api "no events", own.hcl:1); to allow it, put a rule before that one`,
		"/v1.41/info":   "",
	} {
		_, err := w.apply(t, w.parse(t), testCall(t, "GET", target, nil))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
}

func TestNestingAsDeepAsTheEngineFollows(t *testing.T) {
	nested := func(depth int) []byte {
		return []byte(`{"x":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `,"HostConfig":{}}`)
	}
	p := newWorld().parse(t)
	if _, err := Apply(p, testCall(t, "POST", "/containers/create", nested(9000)), newWorld()); err != nil {
		t.Errorf("9000: %v", err)
	}
	_, err := Apply(p, testCall(t, "POST", "/containers/create", nested(10000)), newWorld())
	want := &Refusal{400, "safesock: the body: the JSON is nested 10000 deep or deeper"}
	if !reflect.DeepEqual(err, want) {
		t.Errorf("10000: got %v, want %v", err, want)
	}
}

func TestCostOfACallIsBounded(t *testing.T) {
	list := func(n int, item string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}
	var volumes strings.Builder
	for i := range maxLookups + 1 {
		volumes.WriteString(`"v` + strconv.Itoa(i) + `:/v",`)
	}
	p := newWorld().parse(t)
	for _, test := range []struct {
		name, host string
		want       error
	}{
		{"every port", `{"PortBindings":{"80/tcp":` + list(65536, `{"HostIp":"127.0.0.1","HostPort":"1"}`) + `}}`, nil},
		{"bindings", `{"PortBindings":{"80/tcp":` + list(65537, `null`) + `}}`, &Refusal{413,
			"safesock: /HostConfig/PortBindings/80~1tcp/65536: the call publishes more than 65536 ports; publish fewer, or share them among several containers"}},
		{"mounts", `{"Binds":` + list(60000, `"/srv:/srv"`) + `}`, &Refusal{413, "safesock: /HostConfig/Binds/4096: the call claims more than 4096 things; ask for fewer, or share them among several calls"}},
		{"volumes", `{"Binds":[` + strings.TrimSuffix(volumes.String(), ",") + `]}`, &Refusal{413, "safesock: the call names more than 1000 things that have to be looked up"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Apply(p, testCall(t, "POST", "/containers/create", []byte(`{"HostConfig":`+test.host+`}`)), newWorld())
			if test.want == nil && err != nil || test.want != nil && !reflect.DeepEqual(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestAParameterIsFoundBehindManyOthers(t *testing.T) {
	p := (&world{policy: `network "no host network" {
  when   = network.mode == "host"
  action = "deny"
}`}).parse(t)
	for others, want := range map[int]error{
		maxParameters - 1: &Refusal{403, `safesock: the host network may not be used (network "no host network", own.hcl:1); to allow it, put a rule before that one`},
		maxParameters:     &Refusal{413, "safesock: the query has more than 10000 parameters"},
	} {
		c := testCall(t, "POST", "/build?"+strings.Repeat("a&", others)+"networkmode=host", nil)
		_, err := Apply(p, c, newWorld())
		if !reflect.DeepEqual(err, want) {
			t.Errorf("%d: got %v, want %v", others, err, want)
		}
	}
}
