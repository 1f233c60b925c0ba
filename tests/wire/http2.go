package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// talk is a conversation by HTTP/2: streams of one connection, all at once.
// net/http speaks on both sides, so bodies are compared, and not frames.
type talk struct {
	host    string
	streams []stream

	mu     sync.Mutex
	failed error // of the Engine's side
}

// stream is one request and its answer.
type stream struct {
	method, target string
	request        flow
	order          order
	status         int
	answer         flow
}

// flow is a body as it is sent.
type flow struct {
	body    []byte
	cuts    []int // where its pieces end
	sized   bool  // it has a Content-Length
	trailer string
	pause   time.Duration // before each piece
}

// order is when the Engine answers.
type order int

const (
	afterwards order = iota
	before
	meanwhile
	instead // the rest of the request is not heard
)

func (o order) String() string {
	return [...]string{"after it", "before its end", "at the same time", "without its rest"}[o]
}

func (t *talk) String() string {
	var b strings.Builder
	for i, s := range t.streams {
		fmt.Fprintf(&b, "%3d. %s %s, %v; answered %v by %d, %v\n", i, s.method, s.target, s.request, s.order, s.status, s.answer)
	}
	return b.String()
}

func (f flow) String() string {
	text := fmt.Sprintf("%d bytes in %d pieces", len(f.body), len(f.cuts))
	if f.sized {
		text += " by size"
	}
	if f.trailer != "" {
		text += " and a trailer"
	}
	return text
}

// newTalk makes the conversation of a seed.
func newTalk(seed uint64) *talk {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 0)), plan: &plan{seed: seed}}
	t := &talk{host: hostOf(seed)}
	for len(t.streams) < 1+m.IntN(8) {
		c := m.anyCall()
		if c.kind == upgrades || c.kind == hijacks { // HTTP/2 has none
			continue
		}
		s := stream{c.method, c.target, flow{}, order(m.IntN(3)), m.oneOf(200, 201, 404), m.flow(m.body())}
		switch {
		case c.content == claims:
			s.request = m.flow(m.claims())
		case c.content == noise:
			s.request, s.order = m.flow(m.body()), order(m.IntN(4))
		}
		switch s.order { // as far as net/http goes along without a proxy, too
		case before, meanwhile:
			s.status = 200 // after an error it sends no more
		case instead:
			s.request.trailer = "" // it would send that to a stream that is closed
		}
		if c.method == "HEAD" {
			s.answer = flow{}
		}
		t.streams = append(t.streams, s)
	}
	return t
}

// flow cuts a body into pieces.
func (m *maker) flow(body []byte) flow {
	f := flow{body: body, sized: m.oneIn(2)}
	for at := 0; at < len(body); {
		at += min(1+m.size(), len(body)-at)
		f.cuts = append(f.cuts, at)
	}
	if !f.sized && m.oneIn(3) {
		f.trailer = m.letters(1 + m.IntN(20))
	}
	if m.oneIn(4) {
		f.pause = time.Duration(m.IntN(1000)) * time.Microsecond
	}
	return f
}

// play opens all streams of a talk at once.
func (t *talk) play(w *world) error {
	w.mu.Lock()
	w.talks[t.host] = t
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.talks, t.host)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	transport := &http.Transport{
		Protocols:          new(http.Protocols),
		DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", w.socket)
		},
	}
	transport.Protocols.SetUnencryptedHTTP2(true)
	conn, err := transport.NewClientConn(ctx, "http", "localhost:80")
	if err != nil {
		return err
	}
	defer conn.Close()
	var streams errgroup.Group
	for i := range t.streams {
		streams.Go(func() error {
			if err := t.ask(ctx, conn, i); err != nil {
				return fmt.Errorf("the client's stream %d: %w", i, err)
			}
			return nil
		})
	}
	err = streams.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	return errors.Join(err, t.failed)
}

// ask sends a request and compares its answer.
func (t *talk) ask(ctx context.Context, conn *http.ClientConn, i int) error {
	s := &t.streams[i]
	path, query, _ := strings.Cut(s.target, "?")
	r := (&http.Request{
		Method: s.method,
		URL:    &url.URL{Scheme: "http", Host: t.host, Opaque: path, RawQuery: query},
		Header: http.Header{"X-Stream": {strconv.Itoa(i)}},
	}).WithContext(ctx)
	if len(s.request.body) > 0 || s.request.trailer != "" {
		r.ContentLength = s.request.length()
		r.Trailer = http.Header{}
		if s.request.trailer != "" {
			r.Trailer["X-Sum"] = nil
		}
		r.Body = io.NopCloser(&sender{flow: &s.request, trailer: r.Trailer})
	}
	answer, err := conn.RoundTrip(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != s.status {
		return fmt.Errorf("got %d want %d", answer.StatusCode, s.status)
	}
	return s.answer.compare(answer.Body, answer.ContentLength, &answer.Trailer)
}

// answerHTTP2 is what the Engine does with a stream.
func (w *world) answerHTTP2(a http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	t := w.talks[r.Host]
	w.mu.Unlock()
	i, err := strconv.Atoi(r.Header.Get("X-Stream"))
	if t == nil || err != nil {
		http.NotFound(a, r)
		return
	}
	s := &t.streams[i]
	if r.Method != s.method || r.RequestURI != s.target {
		err = fmt.Errorf("got %s %s", r.Method, r.RequestURI)
	}
	var hearing errgroup.Group
	hear := func() error { return s.request.compare(r.Body, r.ContentLength, &r.Trailer) }
	switch s.order {
	case afterwards:
		hearing.Go(hear)
		err = errors.Join(err, hearing.Wait(), s.tell(a))
	case before:
		err = errors.Join(err, s.tell(a), hear())
	case meanwhile:
		hearing.Go(hear)
		err = errors.Join(err, s.tell(a), hearing.Wait())
	case instead:
		err = errors.Join(err, s.tell(a))
	}
	if err != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.failed = errors.Join(t.failed, fmt.Errorf("the Engine's stream %d: %w", i, err))
	}
}

// tell writes the answer.
func (s *stream) tell(a http.ResponseWriter) error {
	if s.answer.sized {
		a.Header().Set("Content-Length", strconv.Itoa(len(s.answer.body)))
	}
	a.WriteHeader(s.status)
	at := 0
	for _, cut := range s.answer.cuts {
		time.Sleep(s.answer.pause)
		if _, err := a.Write(s.answer.body[at:cut]); err != nil {
			return err
		}
		if err := http.NewResponseController(a).Flush(); err != nil {
			return err
		}
		at = cut
	}
	if s.answer.trailer != "" {
		a.Header().Set(http.TrailerPrefix+"X-Sum", s.answer.trailer)
	}
	return nil
}

// sender is a flow as net/http reads it to send it.
type sender struct {
	*flow
	trailer http.Header
	at      int // in the body
	piece   int
}

func (b *sender) Read(p []byte) (int, error) {
	if b.at == len(b.body) {
		if b.flow.trailer != "" {
			b.trailer.Set("X-Sum", b.flow.trailer)
		}
		return 0, io.EOF
	}
	time.Sleep(b.pause)
	n := copy(p, b.body[b.at:b.cuts[b.piece]])
	if b.at += n; b.at == b.cuts[b.piece] {
		b.piece++
	}
	return n, nil
}

// length is the length that a body is announced with, -1 if it is not announced.
func (f *flow) length() int64 {
	if f.sized {
		return int64(len(f.body))
	}
	return -1
}

// compare reads what came of a flow.
func (f *flow) compare(body io.Reader, length int64, trailer *http.Header) error {
	got, err := io.ReadAll(body)
	switch sum := trailer.Get("X-Sum"); {
	case !bytes.Equal(got, f.body):
		return errors.Join(differs(0, got, f.body), err)
	case err != nil:
		return err
	case f.sized && length != f.length():
		return fmt.Errorf("got Content-Length %d want %d", length, f.length())
	case sum != f.trailer:
		return fmt.Errorf("got the trailer %q want %q", sum, f.trailer)
	}
	return nil
}
