//go:build linux

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEachCallMustBeInTheAuditLogOnce(t *testing.T) {
	const (
		create  = `{"record":"call","id":"A","endpoint":"container.create","path":"/containers/create","container":{"name":"web"},"claims":[]}`
		made    = `{"record":"answer","id":"A","status":201,"container":"4c01"}`
		refused = `{"record":"call","id":"B","endpoint":"container.create","path":"/containers/create","container":{"name":"bad"},"claims":[],"refused":"twice"}`
		start   = `{"record":"call","id":"C","endpoint":"container.start","path":"/containers/web/start","claims":[]}`
		started = `{"record":"answer","id":"C","status":204}`
	)
	for _, c := range []struct {
		name  string
		lines []string
		want  string // of the error
	}{
		{"as they were made", []string{create, refused, made, start, started}, ""},
		{"one is missing", []string{create, made, refused}, "audit: no record of /containers/web/start"},
		{"one is there twice", []string{create, made, refused, start, started, start, started}, `audit: "/containers/web/start" was recorded twice, or was no call`},
		{"one was never made", []string{create, made, refused, start, started, strings.ReplaceAll(start, "web", "db"), started},
			"audit: \"/containers/db/start\" was recorded twice, or was no call\naudit: answer 204 of \"/containers/db/start\", want 0"},
		{"one has no answer", []string{create, made, refused, start}, "audit: no answer of /containers/web/start"},
		{"one was answered otherwise", []string{create, strings.Replace(made, "201", "502", 1), refused, start, started}, `audit: answer 502 of "create web", want 201`},
		{"one was refused unseen", []string{create, made, strings.Replace(refused, `"twice"`, `""`, 1), start, started},
			"audit: \"create bad\": refused \"\", answered 400\naudit: no answer of create bad"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "audit.log")
			if err := os.WriteFile(file, []byte(strings.Join(c.lines, "\n")+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			l := ledger{calls: map[string]int{"create web": http.StatusCreated, "create bad": http.StatusBadRequest, "/containers/web/start": http.StatusNoContent}}
			_, err := l.audited(file)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

func TestCreateBodiesHaveTheSizeAskedFor(t *testing.T) {
	for _, size := range []int{4 << 10, 64 << 10, 5 << 20} {
		if got := len(createBody(size, 3)); got != size {
			t.Errorf("got %d bytes, want %d", got, size)
		}
	}
}
