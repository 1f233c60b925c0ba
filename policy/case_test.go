package policy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/safesock/safesock"
	"github.com/safesock/safesock/policy"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write what comes out into the case files")

// TestCases reads testdata/*.txtar. Sections:
//
//	NAME.hcl    a policy file; files are read in their order
//	builtin     the built-in policy instead, marked as such; if empty, safesock's own
//	set NAME    another value for a local
//	call        the call as JSON of a policy.Call; User, Groups and Command of
//	            the client are values, or all of them fail with the error Unknown
//	interfaces  lines of a name and its addresses
//	claims      lines of a kind and its claim's JSON
//	want        the diagnostics, or the warnings and decisions
func TestCases(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			for i, f := range archive.Files {
				if f.Name == "want" {
					want = string(f.Data)
					archive.Files = append(archive.Files[:i], archive.Files[i+1:]...)
					break
				}
			}
			got := runCase(t, archive)
			if got == want {
				return
			}
			if !*update {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
				return
			}
			archive.Files = append(archive.Files, txtar.File{Name: "want", Data: []byte(got)})
			if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// runCase returns the text for the section want.
func runCase(t *testing.T, archive *txtar.Archive) string {
	t.Helper()
	call := &policy.Call{}
	interfaces := map[string][]netip.Addr{}
	var files []policy.File
	var claims []string
	for _, f := range archive.Files {
		switch {
		case strings.HasSuffix(f.Name, ".hcl"):
			files = append(files, policy.File{Name: f.Name, Src: f.Data})
		case f.Name == "builtin" && len(f.Data) == 0:
			files = append(files, safesock.Policy)
		case f.Name == "builtin":
			files = append(files, policy.File{Name: safesock.Policy.Name, Src: f.Data, Builtin: true})
		case strings.HasPrefix(f.Name, "set "):
			local := strings.TrimPrefix(f.Name, "set ")
			files = append(files, policy.File{Name: "--set " + local, Src: bytes.TrimSuffix(f.Data, []byte("\n")), Local: local})
		case f.Name == "call":
			readCall(t, string(f.Data), call)
		case f.Name == "interfaces":
			for line := range strings.Lines(string(f.Data)) {
				fields := strings.Fields(line)
				interfaces[fields[0]] = nil
				for _, text := range fields[1:] {
					interfaces[fields[0]] = append(interfaces[fields[0]], netip.MustParseAddr(text))
				}
			}
			call.Interface = func(name string) ([]netip.Addr, error) {
				addrs, ok := interfaces[name]
				if !ok {
					return nil, errors.New("no such network interface")
				}
				return addrs, nil
			}
		case f.Name == "claims":
			for line := range strings.Lines(string(f.Data)) {
				claims = append(claims, strings.TrimSpace(line))
			}
		default:
			t.Fatalf("unknown section %q", f.Name)
		}
	}

	p, err := policy.Parse(policy.SomeNames, files...)
	if err != nil {
		var diags *policy.Diagnostics
		if !errors.As(err, &diags) {
			t.Fatalf("%T instead of *Diagnostics", err)
		}
		return diags.Error() + "\n"
	}
	var b strings.Builder
	at := call.Time
	if at.IsZero() {
		at = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if warnings := p.Warnings(at); len(warnings.List) > 0 {
		b.WriteString(warnings.Error() + "\n")
	}
	if p.Observe() {
		b.WriteString("observes\n")
	}
	if !p.Filters() {
		b.WriteString("does not filter\n")
	}
	decider := p.For(call)
	for _, line := range claims {
		d := decider.Decide(readClaim(t, line))
		fmt.Fprintf(&b, "%s\n\t%s%s (%s)\n", line, d.Action, strings.TrimRight(fmt.Sprint(" ", strings.Trim(fmt.Sprint(d.To), "[]"), d.With), " "), d.Rule)
		for _, more := range []string{d.Message, d.Reason} {
			if more != "" {
				fmt.Fprintf(&b, "\t%s\n", more)
			}
		}
	}
	return b.String()
}

func readCall(t *testing.T, text string, call *policy.Call) {
	t.Helper()
	var read struct {
		*policy.Call
		Client struct {
			UID, GID, PID int
			User, Command string
			Groups        []string
			Unknown       string
		}
	}
	read.Call = call
	decode(t, text, &read)
	c := read.Client
	call.Client = policy.Client{UID: c.UID, GID: c.GID, PID: c.PID, User: policy.Found(c.User), Groups: policy.Found(c.Groups), Command: policy.Found(c.Command)}
	if c.Unknown != "" {
		err := errors.New(c.Unknown)
		call.Client.User = func() (string, error) { return "", err }
		call.Client.Groups = func() ([]string, error) { return nil, err }
		call.Client.Command = func() (string, error) { return "", err }
	}
}

func readClaim(t *testing.T, line string) policy.Claim {
	t.Helper()
	kind, text, _ := strings.Cut(line, " ")
	switch policy.Kind(kind) {
	case policy.KindPort:
		return decode(t, text, &policy.Port{})
	case policy.KindNetwork:
		return decode(t, text, &policy.Network{})
	case policy.KindMount:
		return decode(t, text, &policy.Mount{})
	case policy.KindPrivilege:
		return decode(t, text, &policy.Privilege{})
	case policy.KindAPI:
		return policy.API{}
	}
	t.Fatalf("unknown kind of claim: %q", line)
	return nil
}

func decode[T any](t *testing.T, text string, into *T) T {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return *into
}
