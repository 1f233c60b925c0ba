//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	soakClients = 200
	soakWarmUp  = 5 * time.Second // of the same load, before what is left over is counted
	soakSeed    = 1
	soakProfile = "safesock.goroutines.prof" // left when there are too many
)

// soak loads safesock with clients of every kind and then asks what is left
// of them, and whether the audit log has each intercepted call exactly once.
func (b *bench) soak(ctx context.Context, span time.Duration) error {
	p, err := b.launch(ctx, contestant{"safesock in process", startInProcess(soakProfile)})
	if err != nil {
		return err
	}
	defer p.stop()
	fresh, err := p.holds(ctx, holding{})
	if err != nil {
		return err
	}
	told := ledger{calls: map[string]int{}, did: map[string]int{}}
	if err := told.clients(ctx, p.socket, soakWarmUp); err != nil {
		return err
	}
	start, err := p.holds(ctx, fresh)
	if err != nil {
		return err
	}
	if err := told.clients(ctx, p.socket, span); err != nil {
		return err
	}
	end, err := p.holds(ctx, start)
	if err != nil {
		return err
	}
	fmt.Printf("%d clients, %v: %v\n", soakClients, span, told.did)
	fmt.Printf("fresh: %v\nstart: %v (after %v of the same)\nend:   %v\n", fresh, start, soakWarmUp, end)
	if end.goroutines > fresh.goroutines {
		if _, err := p.ask("stop goroutines"); err != nil {
			return err
		}
		fmt.Println("goroutines:", soakProfile)
	}
	problems := []error{start.exceeded(fresh, "start", 16<<20), end.exceeded(start, "end", 4<<20)}
	records, err := told.audited(p.audit)
	fmt.Printf("audit: %d calls, %d records\n", len(told.calls), records)
	return errors.Join(append(problems, err)...)
}

// holding is what a process has at a moment.
type holding struct{ goroutines, descriptors, rss float64 }

func (h holding) String() string {
	return fmt.Sprintf("%.0f goroutines, %.0f descriptors, %.1f MiB", h.goroutines, h.descriptors, h.rss/(1<<20))
}

// exceeded tells what there is more of than before. Memory is compared with
// slack: the collector gives it back in its own time.
func (h holding) exceeded(before holding, when string, slack float64) error {
	if h.goroutines > before.goroutines || h.descriptors > before.descriptors || h.rss > before.rss+slack {
		return fmt.Errorf("at the %s there is %v, before it there was %v", when, h, before)
	}
	return nil
}

// holds waits until the process has settled down to what it had before.
func (p *process) holds(ctx context.Context, before holding) (h holding, err error) {
	h.goroutines, err = settle(ctx, settleWithin, before.goroutines, p.goroutines)
	if err != nil {
		return h, err
	}
	if h.descriptors, err = settle(ctx, settleWithin, before.descriptors, p.descriptors); err != nil {
		return h, err
	}
	h.rss, err = settle(ctx, settleWithin, before.rss, p.rss)
	return h, err
}

// ledger is what the clients know they did.
type ledger struct {
	mu    sync.Mutex
	calls map[string]int // intercepted calls to be found in the audit log: their key, and the status they ended with
	did   map[string]int // how often each action was taken
	runs  int
}

// action is one thing that a client does on a connection of its own. It gives
// the intercepted call it made, if any, and the status of its answer.
type action struct {
	name   string
	weight int
	do     func(r *rand.Rand, socket, name string) (key string, status int, err error)
}

var actions = []action{
	{"pings", 30, soakPings},
	{"creates", 20, soakCreate},
	{"refused creates", 5, soakRefused},
	{"half creates", 5, soakHalfCreate},
	{"starts", 5, soakStart},
	{"attaches", 10, soakAttach},
	{"half-closes", 10, soakHalfClose},
	{"aborted downloads", 5, soakAbortDownload},
	{"aborted uploads", 5, soakAbortUpload},
	{"aborted events", 5, soakAbortEvents},
}

// clients runs every client until the time is over.
func (l *ledger) clients(ctx context.Context, socket string, span time.Duration) error {
	l.runs++
	over := time.Now().Add(span)
	all, ctx := errgroup.WithContext(ctx)
	for i := range soakClients {
		all.Go(func() error {
			r := rand.New(rand.NewPCG(soakSeed, uint64(l.runs*soakClients+i)))
			for n := 0; time.Now().Before(over); n++ {
				if err := ctx.Err(); err != nil {
					return err
				}
				a := pick(r)
				key, status, err := a.do(r, socket, fmt.Sprintf("soak-%d-%d-%d", l.runs, i, n))
				if err != nil {
					return fmt.Errorf("%s: %w", a.name, err)
				}
				l.note(a.name, key, status)
			}
			return nil
		})
	}
	return all.Wait()
}

func pick(r *rand.Rand) action {
	total := 0
	for _, a := range actions {
		total += a.weight
	}
	n := r.IntN(total)
	for _, a := range actions {
		if n -= a.weight; n < 0 {
			return a
		}
	}
	panic("weights are positive")
}

func (l *ledger) note(name, key string, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.did[name]++
	if key != "" {
		l.calls[key] = status
	}
}

func soakPings(r *rand.Rand, socket, _ string) (string, int, error) {
	c := newClient(socket)
	defer c.CloseIdleConnections()
	for range 1 + r.IntN(10) {
		if err := c.ping(); err != nil {
			return "", 0, err
		}
	}
	return "", 0, nil
}

func soakCreate(r *rand.Rand, socket, name string) (string, int, error) {
	c := newClient(socket)
	defer c.CloseIdleConnections()
	_, err := c.call(c.createCall(apiVersion, name, createBody(1<<r.IntN(16), r.IntN(4))), http.StatusCreated)
	return "create " + name, http.StatusCreated, err
}

// soakRefused sends what the Engine and safesock could read differently.
func soakRefused(_ *rand.Rand, socket, name string) (string, int, error) {
	c := newClient(socket)
	defer c.CloseIdleConnections()
	body := []byte(`{"Image":"web:1","HostConfig":{"PortBindings":{}},"hostconfig":{"PortBindings":{"80/tcp":[{}]}}}`)
	_, err := c.call(c.createCall(apiVersion, name, body), http.StatusBadRequest)
	return "create " + name, http.StatusBadRequest, err
}

// soakHalfCreate goes away before its body is whole: it made no call.
func soakHalfCreate(r *rand.Rand, socket, name string) (string, int, error) {
	s, err := dial(socket)
	if err != nil {
		return "", 0, err
	}
	defer s.Close()
	body := createBody(4<<10, 1)
	_, err = fmt.Fprintf(s, "POST /v1.51/containers/create?name=%s HTTP/1.1\r\nHost: api.moby.localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", name, len(body), body[:r.IntN(len(body))])
	return "", 0, err
}

func soakStart(_ *rand.Rand, socket, name string) (string, int, error) {
	c := newClient(socket)
	defer c.CloseIdleConnections()
	target := "/containers/" + name + "/start"
	_, err := c.call(c.request("POST", apiVersion+target, nil), http.StatusNoContent)
	return target, http.StatusNoContent, err
}

// soakAttach types for a while and goes away.
func soakAttach(r *rand.Rand, socket, name string) (string, int, error) {
	s, err := attach(socket, name, "echo", 0)
	if err != nil {
		return "", 0, err
	}
	defer s.Close()
	for range r.IntN(20) {
		line := bytes.Repeat([]byte{'x'}, 1+r.IntN(8<<10))
		if err := s.sendAndRead(line); err != nil {
			return "", 0, err
		}
	}
	return "/containers/" + name + "/attach", http.StatusSwitchingProtocols, nil
}

func (s *stream) sendAndRead(line []byte) error {
	if _, err := s.Write(line); err != nil {
		return err
	}
	back := make([]byte, len(line))
	if _, err := io.ReadFull(s.in, back); err != nil {
		return err
	}
	if !bytes.Equal(back, line) {
		return errors.New("an echo came back different")
	}
	return nil
}

// soakHalfClose sends a file and its end, and then reads what comes of it.
func soakHalfClose(r *rand.Rand, socket, name string) (string, int, error) {
	s, err := attach(socket, name, "echo", 0)
	if err != nil {
		return "", 0, err
	}
	defer s.Close()
	size := r.Int64N(256 << 10)
	var sending errgroup.Group
	sending.Go(func() error { return errors.Join(sendZeros(s, size), s.CloseWrite()) })
	back, err := readAway(s.in)
	if err = errors.Join(err, sending.Wait()); err == nil && back != size {
		err = fmt.Errorf("%d bytes of %d came back", back, size)
	}
	return "/containers/" + name + "/attach", http.StatusSwitchingProtocols, err
}

func soakAbortDownload(r *rand.Rand, socket, _ string) (string, int, error) {
	s, err := dial(socket)
	if err != nil {
		return "", 0, err
	}
	defer s.Close()
	if err := s.send("GET", apiVersion+"/images/web/get?bytes=67108864", "", http.StatusOK); err != nil {
		return "", 0, err
	}
	_, err = io.CopyN(io.Discard, s.in, r.Int64N(1<<20))
	return "", 0, err
}

func soakAbortUpload(r *rand.Rand, socket, _ string) (string, int, error) {
	s, err := dial(socket)
	if err != nil {
		return "", 0, err
	}
	defer s.Close()
	_, err = fmt.Fprint(s, "POST /v1.51/images/load HTTP/1.1\r\nHost: api.moby.localhost\r\nContent-Length: 67108864\r\n\r\n")
	return "", 0, errors.Join(err, sendZeros(s, r.Int64N(1<<20)))
}

func soakAbortEvents(_ *rand.Rand, socket, _ string) (string, int, error) {
	s, err := dial(socket)
	if err != nil {
		return "", 0, err
	}
	defer s.Close()
	if err := s.send("GET", apiVersion+"/events", "", http.StatusOK); err != nil {
		return "", 0, err
	}
	_, err = s.in.ReadBytes('\n')
	return "", 0, err
}

// auditRecord is what has to be known of a line.
type auditRecord struct {
	Record, ID, Endpoint, Path, Refused string
	Status                              int
	Container                           json.RawMessage // a record in a call, an id in an answer
}

// key is what the client calls it.
func (r auditRecord) key() string {
	var container struct{ Name string }
	if r.Endpoint == "container.create" && json.Unmarshal(r.Container, &container) == nil {
		return "create " + container.Name
	}
	return r.Path
}

// audited compares the audit log with the calls that were made.
func (l *ledger) audited(file string) (records int, err error) {
	log, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	missing := maps.Clone(l.calls)
	open := map[string]string{} // the keys of calls without a second line, by id
	var problems []error
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r auditRecord
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return records, fmt.Errorf("audit: %w: %s", err, lines.Bytes())
		}
		if r.Record == "answer" {
			key, ok := open[r.ID]
			if !ok || r.Status != l.calls[key] {
				problems = append(problems, fmt.Errorf("audit: answer %d of %q, want %d", r.Status, key, l.calls[key]))
			}
			delete(open, r.ID)
			continue
		}
		records++
		key := r.key()
		if _, ok := missing[key]; !ok {
			problems = append(problems, fmt.Errorf("audit: %q was recorded twice, or was no call", key))
		}
		if refused := l.calls[key] == http.StatusBadRequest; refused != (r.Refused != "") {
			problems = append(problems, fmt.Errorf("audit: %q: refused %q, answered %d", key, r.Refused, l.calls[key]))
		}
		if r.Refused == "" {
			open[r.ID] = key
		}
		delete(missing, key)
	}
	for key := range missing {
		problems = append(problems, fmt.Errorf("audit: no record of %s", key))
	}
	for _, key := range open {
		problems = append(problems, fmt.Errorf("audit: no answer of %s", key))
	}
	const most = 10
	if len(problems) > most {
		problems = append(problems[:most], fmt.Errorf("audit: %d more", len(problems)-most))
	}
	return records, errors.Join(append(problems, lines.Err())...)
}
