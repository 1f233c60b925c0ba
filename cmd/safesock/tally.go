package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/proxy"
)

// tally counts what came of calls.
type tally struct {
	mu    sync.Mutex
	calls int
	all   []*finding
	known map[finding]*finding // by what is alike in all of them
	more  int                  // findings beyond maxFindings
}

// maxFindings is how many different findings are kept.
const maxFindings = 1000

// finding is a claim that was changed or warned about, or a call that was refused.
type finding struct {
	Fate    string `json:"fate"`            // changed, warned, refused, or observed if the policy only observes
	About   string `json:"about,omitempty"` // project/service, container or image
	Kind    string `json:"kind,omitempty"`
	What    string `json:"what,omitempty"`  // as in "port 80/tcp"
	Asked   string `json:"asked,omitempty"` // as in "*:8080"
	Sent    string `json:"sent,omitempty"`  // as in "127.0.0.1:8080"
	Action  string `json:"action,omitempty"`
	Rule    string `json:"rule,omitempty"`
	Message string `json:"message,omitempty"` // what the client was told, of a call that was refused
	Count   int    `json:"count"`             // how often the same came of the same

	ports int    // how many ports it stands for
	place string // of a port in the summary, as in "8080->80"
}

// add counts a call. It can be called by several goroutines.
func (t *tally) add(call *proxy.CallRecord) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls++
	if call.Refused != "" {
		t.count(finding{Fate: refused.String(), About: about(call), Message: call.Refused}, false)
		return
	}
	for _, claim := range call.Claims {
		fate := fateOf(call, claim)
		pinned := claim.Claim.Kind() == policy.KindAPI && fate == changed // a name that became an id
		if fate == allowed || pinned {
			continue
		}
		found := finding{
			Fate: fate.String(), About: about(call), Kind: string(claim.Kind), What: claim.Claim.Title(), Asked: asked(claim.Claim),
			Action: claim.Action, Rule: claim.Rule,
		}
		if claim.Claim.Kind() == policy.KindAPI {
			found.What = requestOf(call)
		}
		if fate == changed {
			found.Sent = sentInstead(claim)
		}
		if port, ok := claim.Claim.(policy.Port); ok {
			found.ports = max(port.Last-port.Container, 0) + 1
			found.place = placeOf(port)
		}
		// The start of a container claims once more what its creation did.
		again := claim.Pointer == "" && claim.Claim.Kind() != policy.KindAPI
		t.count(found, again)
	}
}

// count adds a finding, unless it was found before. Something that is claimed again
// by a container that exists is the finding of the container's creation, which need
// not have known the container's name.
func (t *tally) count(found finding, again bool) {
	key := found
	if again {
		alike := func(other *finding) bool {
			one, two := *other, found
			one.About, two.About, one.Count = "", "", 0
			return one == two
		}
		if slices.ContainsFunc(t.all, alike) {
			return
		}
	}
	if known := t.known[key]; known != nil {
		known.Count++
		return
	}
	if len(t.all) == maxFindings {
		t.more++
		return
	}
	found.Count = 1
	if t.known == nil {
		t.known = map[finding]*finding{}
	}
	t.known[key] = &found
	t.all = append(t.all, &found)
}

// placeOf returns a port as "8080->80", or as "80" if it has the same number on
// the host and in the container.
func placeOf(port policy.Port) string {
	host, container := cmp.Or(port.Host, "*"), port.Numbers()
	if host == "0" {
		host = "*"
	}
	if port.Protocol != "tcp" {
		container += "/" + port.Protocol
	}
	if host == container {
		return host
	}
	return host + "->" + container
}

// runSummary is what exec tells of a command. docs/exec.md describes its JSON.
type runSummary struct {
	Version int        `json:"version"` // 1; it grows if a field changes its meaning or goes
	Command string     `json:"command"` // without its arguments, which can hold secrets
	Exit    int        `json:"exit"`
	Engine  string     `json:"engine"` // the Engine's socket
	Policy  []string   `json:"policy"`
	Around  []string   `json:"around"`   // sockets of Engines that the command could open without safesock
	Calls   int        `json:"calls"`    // how many were intercepted
	Found   []*finding `json:"found"`    // in the order in which they were first found
	LeftOut int        `json:"left_out"` // findings that are not in Found
}

func (t *tally) summary() runSummary {
	t.mu.Lock()
	defer t.mu.Unlock()
	found := slices.Clone(t.all)
	if found == nil {
		found = []*finding{}
	}
	return runSummary{Version: 1, Calls: t.calls, Found: found, LeftOut: t.more}
}

// print prints the summary for people.
func (s runSummary) print(w io.Writer) error {
	lines := s.lines()
	if len(lines) == 0 {
		lines = []string{"nothing was changed, warned about or refused in " + counted(s.Calls, "intercepted call")}
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(w, "safesock: %s\n", printable(line)); err != nil {
			return err
		}
	}
	return nil
}

// maxLines is how many warnings, and how many refusals, a summary shows.
const maxLines = 10

// lines returns the summary in lines: one for all ports that went to the same
// address, and one for each other finding.
func (s runSummary) lines() []string {
	type group struct {
		became string
		ports  int
		places []string
	}
	var bound []*group
	var rest []string
	shown := map[string]int{}
	for _, each := range s.Found {
		if to := boundAddress(each); to != "" {
			became := "bound to " + to
			i := slices.IndexFunc(bound, func(g *group) bool { return g.became == became })
			if i < 0 {
				i = len(bound)
				bound = append(bound, &group{became: became})
			}
			bound[i].ports += each.ports
			bound[i].places = append(bound[i].places, strings.TrimSpace(shortAbout(each.About)+" "+each.place))
			continue
		}
		if shown[each.Fate]++; shown[each.Fate] <= maxLines {
			rest = append(rest, each.line())
		}
	}
	var lines []string
	for _, g := range bound {
		if more := len(g.places) - maxLines; more > 0 {
			g.places = append(g.places[:maxLines], fmt.Sprintf("and %d more", more))
		}
		lines = append(lines, fmt.Sprintf("%s %s (%s)", counted(g.ports, "port"), g.became, strings.Join(g.places, ", ")))
	}
	lines = append(lines, rest...)
	more := s.LeftOut
	for _, count := range shown {
		more += max(count-maxLines, 0)
	}
	if more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more; --summary FILE has up to %d of all findings", more, maxFindings))
	}
	return lines
}

// boundAddress returns the addresses to which a port was bound, "" if the finding is
// none of that kind.
func boundAddress(f *finding) string {
	if f.Fate != changed.String() || f.Action != policy.Bind.String() {
		return ""
	}
	var to []string
	for _, place := range strings.Split(f.Sent, ", ") {
		if i := strings.LastIndex(place, ":"); i > 0 {
			to = append(to, strings.Trim(place[:i], "[]"))
		}
	}
	return strings.Join(to, " and ")
}

// shortAbout is a service without its project.
func shortAbout(about string) string {
	if project, service, ok := strings.Cut(about, "/"); ok && !strings.ContainsAny(project+service, "/:.") {
		return service
	}
	return about
}

// line says in one line what was found.
func (f *finding) line() string {
	who, times := "", ""
	if f.About != "" {
		who = f.About + ": "
	}
	if f.Count > 1 {
		times = " (" + strconv.Itoa(f.Count) + " times)"
	}
	what := strings.TrimSpace(f.What + " " + f.Asked)
	switch f.Fate {
	case refused.String():
		return "refused" + times + ": " + who + strings.TrimPrefix(f.Message, "safesock: ")
	case changed.String():
		return who + what + " → " + f.Sent + times + because(f.Rule)
	case observed.String():
		return "would " + f.Action + times + ": " + who + what + because(f.Rule)
	}
	return "warned" + times + ": " + who + what + because(f.Rule)
}

// github prints the summary as workflow commands of GitHub Actions, and appends it
// to the summary of the job's step.
func (s runSummary) github(w io.Writer) error {
	if len(s.Found) == 0 {
		return s.print(w)
	}
	for _, line := range s.lines() {
		if _, err := fmt.Fprintf(w, "::warning title=safesock::%s\n", data.Replace(printable(line))); err != nil {
			return err
		}
	}
	path := os.Getenv("GITHUB_STEP_SUMMARY")
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("GITHUB_STEP_SUMMARY: %w", err)
	}
	defer file.Close()
	if _, err := io.WriteString(file, s.markdown()); err != nil {
		return fmt.Errorf("GITHUB_STEP_SUMMARY: %w", err)
	}
	return file.Close()
}

// markdown returns the findings as a table.
func (s runSummary) markdown() string {
	var b strings.Builder
	b.WriteString("### safesock\n\n| | about | asked | sent | rule |\n|---|---|---|---|---|\n")
	for _, f := range s.Found {
		sent := f.Sent
		if f.Message != "" {
			sent = strings.TrimPrefix(f.Message, "safesock: ")
		}
		for _, cell := range []string{f.Fate, f.About, strings.TrimSpace(f.What + " " + f.Asked), sent, f.Rule} {
			b.WriteString("| " + inCell(cell) + " ")
		}
		b.WriteString("|\n")
	}
	if s.LeftOut > 0 {
		fmt.Fprintf(&b, "\n%d more are left out.\n", s.LeftOut)
	}
	return b.String() + "\n"
}

// inCell returns a text as code in a cell of a table of Markdown, so that nothing
// in it is markup.
func inCell(text string) string {
	if text == "" {
		return ""
	}
	return "<code>" + strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "|", "&#124;", "`", "&#96;", "*", "&#42;", "_", "&#95;", "[", "&#91;", "@", "&#64;").Replace(printable(text)) + "</code>"
}
