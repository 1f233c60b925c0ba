package proxy

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestServingEndsWithTheOpenStreams(t *testing.T) {
	asked, goOn := make(chan bool), make(chan bool)
	w := newWorld(t, http2Engine(t, func(a http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/events" {
			flush(a)
			asked <- true
			<-goOn
			io.WriteString(a, "the last event")
		}
	}))
	busyClient, idleClient := w.dialHTTP2(), w.dialHTTP2()
	answered(t, idleClient, call(t, "GET", "/_ping", nil, nil))
	over := make(chan bool)
	idleClient.SetStateHook(func(c *http.ClientConn) {
		if c.Err() != nil {
			close(over)
		}
	})
	got := make(chan string)
	go func() {
		answer, err := busyClient.RoundTrip(call(t, "GET", "/events", nil, nil))
		if err != nil {
			got <- err.Error()
			return
		}
		body, err := io.ReadAll(answer.Body)
		got <- fmt.Sprint(string(body), err)
	}()
	within(t, asked)
	w.stop()
	within(t, over)
	if _, err := busyClient.RoundTrip(call(t, "GET", "/_ping", nil, nil)); err == nil {
		t.Error("a stream is still accepted")
	}
	goOn <- true
	if got := <-got; got != "the last event<nil>" {
		t.Errorf("got %s", got)
	}
	if err := w.awaitStop(); err != nil {
		t.Error(err)
	}
	noneLeft(t)
}

func TestStreamsThatDoNotEndAreCut(t *testing.T) {
	var log strings.Builder // read after serving has ended
	w := newWorld(t, http2Engine(t, func(a http.ResponseWriter, r *http.Request) {
		flush(a)
		<-r.Context().Done()
	}), func(s *Server) {
		s.Drain = 1
		s.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	answer, err := w.dialHTTP2().RoundTrip(call(t, "GET", "/events", nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	w.stop()
	if _, err := io.ReadAll(answer.Body); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("got the end (%v)", err)
	}
	if err := w.awaitStop(); err != nil {
		t.Error(err)
	}
	noneLeft(t)
	_, got, _ := strings.Cut(log.String(), " level=")
	if want := "WARN msg=\"exchanges that did not end were cut\" count=1 after=1ns\n"; got != want {
		t.Errorf("got %q want %q", got, want)
	}
}

// noneLeft waits until no goroutine serves a connection.
func noneLeft(t *testing.T) {
	t.Helper()
	ours := regexp.MustCompile(`proxy\.(\(\*(http2Session|connection|engineConn|socket)\)|readAhead)\.`)
	for start := time.Now(); ; runtime.Gosched() {
		all := make([]byte, 1<<20)
		all = all[:runtime.Stack(all, true)]
		if !ours.Match(all) {
			return
		}
		if time.Since(start) > patience {
			t.Fatalf("still running:\n%s", all)
		}
	}
}

func TestManyStreamsAtOnceOfManyClients(t *testing.T) {
	var engines sync.Map
	w := newWorld(t, http2Engine(t, func(a http.ResponseWriter, r *http.Request) {
		io.Copy(a, r.Body)
		engines.Store(r.RemoteAddr, true)
		fmt.Fprint(a, r.Header["X-Client"])
	}))
	var clients sync.WaitGroup
	for i := range 4 {
		c := w.dialHTTP2()
		for j := range 32 {
			clients.Go(func() {
				want := strings.Repeat(fmt.Sprintf("%d of %d ", j, i), 5000)
				r := call(t, "POST", "/images/load", strings.NewReader(want), http.Header{"X-Client": {fmt.Sprint(i)}})
				answer, err := c.RoundTrip(r)
				if err != nil {
					t.Error(err)
					return
				}
				defer answer.Body.Close()
				got, err := io.ReadAll(answer.Body)
				if want += fmt.Sprintf("[%d]", i); string(got) != want || err != nil {
					t.Errorf("got %.40q (%v) want %.40q", got, err, want)
				}
			})
		}
	}
	clients.Wait()
}
