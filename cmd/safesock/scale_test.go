package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExplainGrowsWithItsInput counts allocations: a report of twice as many
// services, volumes or ports takes about twice as many, not four times.
func TestExplainGrowsWithItsInput(t *testing.T) {
	const small = 250
	for name, write := range map[string]func(b *strings.Builder, n int){
		"services": func(b *strings.Builder, n int) {
			for i := range n {
				fmt.Fprintf(b, "  s%d:\n    image: web\n    ports: [\"%d:80\"]\n    environment: {NEXT: \"http://s%d:80\"}\n", i, 10000+i, (i+1)%n)
			}
		},
		"a port after the other": func(b *strings.Builder, n int) {
			b.WriteString("  web:\n    image: web\n    ports:\n")
			for i := range n {
				fmt.Fprintf(b, "      - \"%d:%d\"\n", 10000+2*i, 10000+2*i)
			}
		},
		"a range of ports": func(b *strings.Builder, n int) {
			fmt.Fprintf(b, "  web:\n    image: web\n    ports: [\"10000-%d:10000-%d\"]\n", 9999+n, 9999+n)
		},
		"volumes": func(b *strings.Builder, n int) {
			b.WriteString("  web:\n    image: web\n    volumes:\n")
			for i := range n {
				fmt.Fprintf(b, "      - /srv/%d:/srv/%d\n", i, i)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			work := func(n int) float64 {
				var b strings.Builder
				b.WriteString("services:\n")
				write(&b, n)
				file := filepath.Join(t.TempDir(), "compose.yaml")
				if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return testing.AllocsPerRun(1, func() {
					if code := run([]string{"explain", "--policy", "/dev/null", file}, io.Discard, io.Discard); code != 0 {
						t.Errorf("exit code %d", code)
					}
				})
			}
			once, twice := work(small), work(2*small)
			if twice > 2.5*once {
				t.Errorf("%d: %.0f allocations, %d: %.0f", small, once, 2*small, twice)
			}
		})
	}
}
