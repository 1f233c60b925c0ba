package rewrite

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/safesock/safesock/rewrite/jsonedit"
)

// BenchmarkApply is a create of Compose's, of 4 KB, as it is read, decided,
// edited, and read again.
func BenchmarkApply(b *testing.B) {
	src, err := os.ReadFile("testdata/clients.txtar")
	if err != nil {
		b.Fatal(err)
	}
	w := newWorld()
	p := w.parse(b)
	for _, section := range txtar.Parse(src).Files {
		if section.Name != "call: Compose 2.40.3, service web" {
			continue
		}
		text := string(section.Data)
		edited := caseCall(b, text)
		kept := caseCall(b, strings.ReplaceAll(text, `"HostIp":""`, `"HostIp":"127.0.0.1"`))
		for name, c := range map[string]Call{"edited": edited, "kept": kept} {
			c.Listen = "/var/run/docker.sock" // whose mount needs no change
			if _, err := w.apply(b, p, c); err != nil {
				b.Fatal(err)
			}
			b.Run(name, func(b *testing.B) {
				b.SetBytes(int64(len(c.Body)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := Apply(p, c, w); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run("scan", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := jsonedit.Parse(string(edited.Body)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
