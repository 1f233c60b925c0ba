package wire

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seed          = flag.Uint64("seed", 0, "play only the conversation of this seed")
	conversations = flag.Uint64("conversations", 5000, "how many conversations to play")
)

func TestConversationsAreHeardAsTheyWereSaid(t *testing.T) {
	w, err := newWorld(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	playAll(t, w, *conversations)
	awaitNone(t, "goroutines", func() string { return strings.Join(goroutinesOfClients(), "\n\n") })
	awaitNone(t, "descriptors", func() string {
		if now := descriptors(t); len(now) > len(before) {
			return strings.Join(now, "\n")
		}
		return ""
	})
	if err := w.close(); err != nil {
		t.Error(err)
	}
}

// What fails here is the plan's fault.
func TestConversationsAreAsGoodWithoutSafesock(t *testing.T) {
	w, err := newWorld(t.TempDir(), true)
	if err != nil {
		t.Fatal(err)
	}
	playAll(t, w, min(*conversations, 500))
	if err := w.close(); err != nil {
		t.Error(err)
	}
}

const (
	together = 48 // conversations at once
	shown    = 5  // failures in full
)

// playAll plays n conversations, or that of -seed.
func playAll(t *testing.T, w *world, n uint64) {
	t.Helper()
	first := rand.Uint64N(1e12)
	if *seed != 0 {
		first, n = *seed, 1
	}
	var next, failed, hung atomic.Uint64
	var players sync.WaitGroup
	for range together {
		players.Go(func() {
			for i := next.Add(1) - 1; i < n; i = next.Add(1) - 1 {
				c := newConversation(first + i)
				err := c.play(w)
				if err == nil {
					continue
				}
				if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
					hung.Add(1)
				}
				if failed.Add(1) <= shown {
					t.Errorf("-seed %d: %v\n%v", first+i, err, c)
				}
			}
		})
	}
	players.Wait()
	if failed.Load() > 0 {
		t.Errorf("of %d conversations %d failed, of which %d hung", n, failed.Load(), hung.Load())
	}
}

// awaitNone waits until nothing is left.
func awaitNone(t *testing.T, what string, left func() string) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		now := left()
		if now == "" {
			return
		}
		if time.Since(start) > patience {
			t.Errorf("%s left behind:\n%s", what, now)
			return
		}
	}
}

// goroutinesOfClients are those of package proxy, without the server's own.
func goroutinesOfClients() (left []string) {
	all := make([]byte, 16<<20)
	all = all[:runtime.Stack(all, true)]
	for _, one := range strings.Split(string(all), "\n\n") {
		if strings.Contains(one, "safesock/proxy.") && !serving.MatchString(one) {
			left = append(left, one)
		}
	}
	return left
}

var serving = regexp.MustCompile(`proxy\.\(\*Server\)\.(Serve|accept)\(0x|proxy\.\(\*Server\)\.Serve\.func`)

// descriptors gives what this process has open.
func descriptors(t *testing.T) (open []string) {
	t.Helper()
	const dir = "/proc/self/fd/"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		to, _ := os.Readlink(dir + e.Name()) // that of ReadDir is gone
		open = append(open, e.Name()+" "+to)
	}
	return open
}
