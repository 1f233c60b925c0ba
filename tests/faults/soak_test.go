package faults

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

var soakFor = flag.Duration("for", 3*time.Second, "how long everything goes wrong at once")

// tally counts what was done, and what of it went wrong.
type tally struct {
	mu          sync.Mutex
	done, wrong map[string]int
	creates     map[string]int // the names of ordinary creates that were answered
	first       []string       // what went wrong first
}

func (s *tally) note(what, wrong string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[what]++
	if wrong != "" {
		if s.wrong[what]++; len(s.first) < 10 {
			s.first = append(s.first, what+": "+wrong)
		}
	}
}

const (
	soakers   = 4 // of each kind
	badHeader = "X-Bad"
)

// soakEngine misbehaves if the call's header says how.
func soakEngine(e *end) {
	_, _ = e.in.Peek(1) // safesock sends a head by one write
	peeked, _ := e.in.Peek(e.in.Buffered())
	_, rest, is := strings.Cut(string(peeked), badHeader+": ")
	if !is {
		wellEngine(e)
		return
	}
	number, _, _ := strings.Cut(rest, "\r\n")
	if n, err := strconv.Atoi(number); err == nil {
		bads[n].act(e)
	}
}

func TestEverythingAtOnceLosesNoAnswerAndLeavesNothingBehind(t *testing.T) {
	said := tally{done: map[string]int{}, wrong: map[string]int{}, creates: map[string]int{}}
	var w *world
	keepsDescriptors(t, func() {
		t.Run("load", func(t *testing.T) {
			w = newWorld(t, soakEngine)
			w.engine.forgets = true
			over := time.Now().Add(*soakFor)
			var soaking sync.WaitGroup
			for i := range soakers {
				for kind, do := range []func(*testing.T, *world, *rand.Rand, string){said.ordinary, said.badEngine, said.badClient} {
					soaking.Go(func() {
						r := rand.New(rand.NewPCG(uint64(kind), uint64(i)))
						for n := 0; time.Now().Before(over); n++ {
							do(t, w, r, fmt.Sprintf("web-%d-%d", i, n))
						}
					})
				}
			}
			soaking.Wait()
			w.awaitNone()
			said.compareLog(t, w)
		})
	})
	tw := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "what\tdone\twrong")
	for _, what := range slices.Sorted(maps.Keys(said.done)) {
		fmt.Fprintf(tw, "%s\t%d\t%d\n", what, said.done[what], said.wrong[what])
	}
	if testing.Verbose() {
		tw.Flush()
	}
	for _, wrong := range said.first {
		t.Error(wrong)
	}
}

// ordinary is a client of which every answer is compared.
func (s *tally) ordinary(t *testing.T, w *world, _ *rand.Rand, name string) {
	for _, c := range []struct{ name, text, want string }{
		{"ordinary ping", ping, okText},
		{"ordinary create", createNamed(name), okText},
		{"ordinary start", calls[4].text, okText},
		{"ordinary upload", calls[2].text, okText},
		{"ordinary exec start", calls[6].text + "echo", switched + "echo"},
	} {
		got := see(t, w.engine, w.socket, c.text, seen{c.want, nothingMore})
		wrong := ""
		if got.answer != c.want {
			wrong = fmt.Sprintf("saw %v want %q", got, c.want)
		}
		s.note(c.name, wrong)
		if c.name == "ordinary create" && wrong == "" {
			s.mu.Lock()
			s.creates[name]++
			s.mu.Unlock()
		}
	}
}

// badEngine makes a call that a bad Engine gets.
func (s *tally) badEngine(t *testing.T, w *world, r *rand.Rand, _ string) {
	n, c := r.IntN(len(bads)), calls[r.IntN(len(calls))]
	b := bads[n]
	if b.unasked {
		return // it would not see the header
	}
	want, _ := b.wanted(c, b.direct(), w.engine.socket)
	text := strings.Replace(c.text, "Host: docker\r\n", fmt.Sprintf("Host: docker\r\n%s: %d\r\n", badHeader, n), 1)
	wrong := ""
	if got := see(t, w.engine, w.socket, text, want); got != want {
		wrong = fmt.Sprintf("%s: saw %v want %v", c.name, got, want)
	}
	s.note("the Engine "+b.name, wrong)
}

// badClient misbehaves and leaves.
func (s *tally) badClient(t *testing.T, w *world, r *rand.Rand, _ string) {
	b := badClients[r.IntN(len(badClients))]
	c := connect(t, w.socket)
	if c == nil {
		return
	}
	defer c.Close()
	b.does(t, c)
	got := make([]byte, len(b.hears))
	wrong := ""
	if n, err := io.ReadFull(c.in, got); string(got[:n]) != b.hears {
		wrong = fmt.Sprintf("heard %q (%v) want %q", got[:n], err, b.hears)
	}
	s.note("a client "+b.name, wrong)
}

// compareLog looks for the record and the end of each call.
func (s *tally) compareLog(t *testing.T, w *world) {
	t.Helper()
	for _, call := range w.log() {
		if strings.HasSuffix(call, ":") {
			s.note("a call's end in the log", call)
		}
	}
	names := map[string]int{}
	text, err := os.ReadFile(w.audit)
	if err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(text)) {
		if r, _ := parseRecord(line); r.Endpoint == "container.create" && strings.HasPrefix(r.name(), "web-") {
			names[r.name()]++
		}
	}
	if !maps.Equal(names, s.creates) {
		t.Errorf("the log has %d creates, %d were answered", len(names), len(s.creates))
	}
}
