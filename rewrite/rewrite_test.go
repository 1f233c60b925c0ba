package rewrite

import (
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

func TestQuestionsOfACallAreAskedTogether(t *testing.T) {
	c := testCall(t, "POST", "/containers/create", []byte(`{"Image":"web:1","HostConfig":{
		"PublishAllPorts":true,"NetworkMode":"shop","Binds":["data:/d","/srv:/srv","/srv:/again"],
		"VolumesFrom":["box"],"PidMode":"container:web"}}`))
	got, err := Apply((&world{}).parse(t), c)
	want := Result{Ask: []Question{
		{AboutEngine, "/images/web:1/json"},
		{AboutEngine, "/networks/shop"},
		{AboutEngine, "/volumes/data"},
		{AboutPath, "/srv"},
		{AboutEngine, "/containers/box/json"},
		{AboutEngine, "/containers/web/json"},
	}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v, %v\nwant %v", got, err, want)
	}
}

// Docker has no other form of a container than the one that it was asked for.
func TestDockerIsNotAskedWhatOnlyPodmanKnows(t *testing.T) {
	p := (&world{}).parse(t)
	for docker, want := range map[bool][]Question{
		true:  nil,
		false: {{AboutEngine, "/v4.0.0/libpod/containers/f00d/json"}},
	} {
		c := testCall(t, "POST", "/containers/web/start", nil)
		answer := Answer{Status: 200, Body: whole("/containers/web/json", `{"Id":"f00d"}`), Docker: docker}
		c.Answers[Question{AboutEngine, "/containers/web/json"}] = answer
		if got, err := Apply(p, c); err != nil || !reflect.DeepEqual(got.Ask, want) {
			t.Errorf("docker %t: got %v, %v, want %v", docker, got.Ask, err, want)
		}
	}
}

func TestQuestionWithoutAnAnswerRefuses(t *testing.T) {
	c := testCall(t, "POST", "/containers/create", []byte(`{"HostConfig":{"NetworkMode":"shop"}}`))
	c.Answers[Question{AboutEngine, "/networks/shop"}] = Answer{Err: "the Engine is away"}
	_, err := Apply((&world{}).parse(t), c)
	want := &Refusal{502, "safesock: engine /networks/shop: the Engine is away"}
	if !reflect.DeepEqual(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}

	// A policy that only observes forwards all the same, and tells.
	r, err := Apply((&world{policy: `mode = "observe"`}).parse(t), c)
	told := Outcome{Claim: policy.API{}, Decision: policy.Decision{Reason: "engine /networks/shop: the Engine is away"}}
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
		_, err := Apply(w.parse(t), testCall(t, "GET", target, nil))
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
	p := (&world{}).parse(t)
	if _, err := Apply(p, testCall(t, "POST", "/containers/create", nested(9000))); err != nil {
		t.Errorf("9000: %v", err)
	}
	_, err := Apply(p, testCall(t, "POST", "/containers/create", nested(10000)))
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
	for i := range maxQuestions + 1 {
		volumes.WriteString(`"v` + strconv.Itoa(i) + `:/v",`)
	}
	p := (&world{}).parse(t)
	for _, test := range []struct {
		name, host string
		want       error
	}{
		{"every port", `{"PortBindings":{"80/tcp":` + list(65536, `{"HostIp":"127.0.0.1","HostPort":"1"}`) + `}}`, nil},
		{"bindings", `{"PortBindings":{"80/tcp":` + list(maxClaims+1, `null`) + `}}`, &Refusal{413, "safesock: the call claims more than 70000 things"}},
		{"volumes", `{"Binds":[` + strings.TrimSuffix(volumes.String(), ",") + `]}`, &Refusal{413, "safesock: the call names more than 1000 things that have to be looked up"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Apply(p, testCall(t, "POST", "/containers/create", []byte(`{"HostConfig":`+test.host+`}`)))
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
		c.Answers[Question{AboutEngine, "/version"}] = Answer{Status: 200, Body: []byte(`{"Version":"28.5.2","ApiVersion":"1.51","Components":[]}`)}
		_, err := Apply(p, c)
		if !reflect.DeepEqual(err, want) {
			t.Errorf("%d: got %v, want %v", others, err, want)
		}
	}
}
