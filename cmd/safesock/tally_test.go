package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/proxy"
)

// bound is a claim of a port that was bound to addresses.
func bound(port policy.Port, ips ...string) proxy.ClaimRecord {
	port.Protocol = "tcp"
	var after []string
	for _, ip := range ips {
		after = append(after, fmt.Sprintf(`{"HostIp":%q,"HostPort":%q}`, ip, port.Host))
	}
	text := json.RawMessage(strings.Join(after, ","))
	if len(after) > 1 {
		text, _ = json.Marshal(string(text))
	}
	return proxy.ClaimRecord{Kind: policy.KindPort, Claim: port, Pointer: "/p", After: text, Action: "bind", Rule: `port "a", p.hcl:1`}
}

func warning(value, pointer string) proxy.ClaimRecord {
	return proxy.ClaimRecord{Kind: policy.KindPrivilege, Claim: policy.Privilege{Name: "cap", Value: value}, Pointer: pointer, Action: "warn", Rule: `privilege "b", p.hcl:2`}
}

func calling(name string, claims ...proxy.ClaimRecord) *proxy.CallRecord {
	return &proxy.CallRecord{Method: "POST", Path: "/containers/create", Container: &proxy.ContainerRecord{Name: name, Image: "web"}, Claims: claims}
}

func TestASummaryTellsEachFindingOnce(t *testing.T) {
	service := calling("shop-db-1", bound(policy.Port{Container: 5432, Host: "5432"}, "127.0.0.1"))
	service.Compose = &proxy.ComposeRecord{Project: "shop", Service: "db"}
	observing := calling("web", warning("X", "/a"))
	observing.Observe, observing.Claims[0].Action = true, "deny"
	pin := proxy.ClaimRecord{Kind: policy.KindAPI, Claim: policy.API{}, Pointer: "/n", After: json.RawMessage(`"id"`), Action: "allow"}
	refusal := &proxy.CallRecord{Refused: "safesock: no\x1b[2J"}
	for _, test := range []struct {
		name  string
		calls []*proxy.CallRecord
		want  []string
	}{
		{"ports by their addresses", []*proxy.CallRecord{
			service, calling("web", bound(policy.Port{Container: 80, Host: "8080"}, "127.0.0.1"), bound(policy.Port{Container: 81}, "127.0.0.1")),
			calling("", bound(policy.Port{Container: 90, Last: 92, Host: "90-92"}, "127.0.0.1", "::1")),
		}, []string{"3 ports bound to 127.0.0.1 (db 5432, web 8080->80, web *->81)", "3 ports bound to 127.0.0.1 and ::1 (web 90-92)"}},
		{"the same again", []*proxy.CallRecord{service, service, calling("web", warning("X", "/a")), calling("web", warning("X", "/a"))},
			[]string{"1 port bound to 127.0.0.1 (db 5432)", `warned (2 times): web: privilege cap X (privilege "b", p.hcl:2)`}},
		{"a start after its creation", []*proxy.CallRecord{calling("", warning("X", "/a")), calling("eager_galois", warning("X", ""))},
			[]string{`warned: web: privilege cap X (privilege "b", p.hcl:2)`}},
		{"a start alone", []*proxy.CallRecord{calling("one", warning("X", "")), calling("one", warning("X", ""))},
			[]string{`warned: one: privilege cap X (privilege "b", p.hcl:2)`}},
		{"refusals, and what would be refused", []*proxy.CallRecord{refusal, observing},
			[]string{`refused: no\u001b[2J`, `would deny: web: privilege cap X (privilege "b", p.hcl:2)`}},
		{"nothing", []*proxy.CallRecord{calling("web", pin)}, []string{"nothing was changed, warned about or refused in 1 intercepted call"}},
	} {
		var tally tally
		for _, each := range test.calls {
			tally.add(each)
		}
		var got strings.Builder
		if err := tally.summary().print(&got); err != nil {
			t.Fatal(err)
		}
		want := "safesock: " + strings.Join(test.want, "\nsafesock: ") + "\n"
		if diff := cmp.Diff(want, got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestASummaryIsBounded(t *testing.T) {
	var tally tally
	for i := range maxFindings + 50 {
		tally.add(calling(fmt.Sprint("c", i), warning(fmt.Sprint(i), "/a")))
	}
	s := tally.summary()
	if len(s.Found) != maxFindings || s.LeftOut != 50 || s.Calls != maxFindings+50 {
		t.Errorf("got %d findings, %d left out, %d calls", len(s.Found), s.LeftOut, s.Calls)
	}
	lines := s.lines()
	if want := maxLines + 1; len(lines) != want {
		t.Fatalf("got %d lines, want %d", len(lines), want)
	}
	if got, want := lines[maxLines], "and 1040 more; --summary FILE has up to 1000 of all findings"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNothingInATableOfMarkdownIsMarkup(t *testing.T) {
	s := runSummary{Found: []*finding{{Fate: "refused", About: "a|b", Message: "safesock: <img> [x](y) `c` *d*\n@team"}}}
	lines := strings.Split(s.markdown(), "\n")
	want := `| <code>refused</code> | <code>a&#124;b</code> |  | <code>&lt;img&gt; &#91;x](y) &#96;c&#96; &#42;d&#42;\u000a&#64;team</code> |  |`
	if !slices.Contains(lines, want) {
		t.Errorf("got %q\nwant a line %q", lines, want)
	}
}
