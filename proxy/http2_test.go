package proxy

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestACallOverHTTP2IsDecidedAuditedAndTold(t *testing.T) {
	var got, before string
	var w *world
	w = newWorld(t, http2Engine(t, func(a http.ResponseWriter, r *http.Request) {
		got, before = asText(r), w.auditLog()
		a.Header()["Date"] = nil
		a.Header().Set("Api-Version", "1.53")
		a.Header().Set("Content-Type", "application/json")
		a.Header().Set("Content-Length", fmt.Sprint(len(created)))
		a.WriteHeader(http.StatusCreated)
		io.WriteString(a, created)
	}))
	c := w.dialHTTP2()
	answer, body := answered(t, c, call(t, "POST", "/v1.53/containers/%63reate?name=w%3Bb", strings.NewReader(openBody), http.Header{"X-Twice": {"b", "a"}}))

	want := text("POST /v1.53/containers/%63reate?name=w%3Bb HTTP/2.0 docker",
		http.Header{"Content-Length": {fmt.Sprint(len(boundBody))}, "X-Twice": {"b", "a"}}, boundBody)
	if got != want {
		t.Errorf("the Engine got\n%s\nwant\n%s", got, want)
	}
	body = line.ReplaceAllString(body, "built-in:LINE")
	answer.Header.Del("Content-Length") // it depends on the rule's line number
	got = text(answer.Proto+" "+answer.Status, answer.Header, body)
	want = text("HTTP/2.0 201 Created", http.Header{"Api-Version": {"1.53"}, "Content-Type": {"application/json"}}, warned)
	if got != want {
		t.Errorf("the client got\n%s\nwant\n%s", got, want)
	}
	lines := strings.SplitAfter(w.auditLog(), "\n")
	if len(lines) != 3 || lines[0] != before {
		t.Fatalf("got %q want two lines, the first of which was %q when the Engine had the call", lines, before)
	}
	var record CallRecord
	var done AnswerRecord
	decode(t, strings.Replace(lines[0], `"claims"`, `"unread"`, 1), &record)
	decode(t, lines[1], &done)
	got = fmt.Sprint(record.Endpoint, " ", record.Client.Command, " ", record.Container.Image, " ", done.ID == record.ID, done.Status, " ", done.Made)
	if want := "container.create proxy.test web:1 true 201 0123abcd"; got != want {
		t.Errorf("got %s want %s", got, want)
	}
}

func TestACallThatIsNotInterceptedPassesHTTP2AsItCame(t *testing.T) {
	for name, c := range map[string]struct {
		method, target, body string
		header               http.Header
		status               int
		answer               http.Header
		content              string
	}{
		"nothing but the call": {"GET", "/_ping", "", nil, 200, nil, "OK"},
		"no content":           {"POST", "/containers/a/kill", "", nil, 204, nil, ""},
		"HEAD":                 {"HEAD", "/_ping", "", nil, 200, http.Header{"Content-Length": {"2"}}, ""},
		"its own client":       {"GET", "/info", "", http.Header{"User-Agent": {"me"}, "Accept-Encoding": {"gzip"}}, 200, http.Header{"Content-Encoding": {"gzip"}}, "not gzip"},
		"odd characters":       {"GET", `/images/a|b"%7c/json?x=%zz&;`, "", nil, 404, nil, "{}"},
		"a double slash":       {"GET", "//_ping", "", nil, 301, http.Header{"Location": {"/_ping"}}, ""},
		"an empty query":       {"GET", "/_ping?", "", nil, 200, nil, "OK"},
		"an exact body":        {"POST", "/containers/create", `{"Image":"a"} `, http.Header{"Te": {"trailers"}}, 409, http.Header{"Content-Type": {"a/b"}}, "{}"},
		"an answer of no type": {"POST", "/images/load", "<tar>", nil, 200, http.Header{"Set-Cookie": {"b", "a"}}, "<html>"},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			w := newWorld(t, http2Engine(t, func(a http.ResponseWriter, r *http.Request) {
				got = asText(r)
				a.Header()["Date"], a.Header()["Content-Type"] = nil, nil
				maps.Copy(a.Header(), c.answer)
				a.WriteHeader(c.status)
				if c.content != "" {
					http.NewResponseController(a).Flush()
					io.WriteString(a, c.content)
				}
			}))
			r := call(t, c.method, c.target, nil, c.header)
			r.URL.ForceQuery = strings.HasSuffix(c.target, "?")
			if strings.HasPrefix(c.target, "//") {
				r.URL = &url.URL{Scheme: "http", Host: "docker", Path: c.target}
			}
			sent := maps.Clone(c.header)
			if c.body != "" {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(c.body)), -1 // a body without Content-Length
			}
			if r.Method == "POST" && c.body == "" {
				sent = http.Header{"Content-Length": {"0"}}
			}
			answer, content := answered(t, w.dialHTTP2(), r)
			if want := text(c.method+" "+c.target+" HTTP/2.0 docker", sent, c.body); got != want {
				t.Errorf("the Engine got\n%s\nwant\n%s", got, want)
			}
			if answer.ContentLength == 0 {
				answer.Header.Del("Content-Length") // net/http adds it to an answer without a body
			}
			got, want := text(fmt.Sprint(answer.StatusCode), answer.Header, content), text(fmt.Sprint(c.status), c.answer, c.content)
			if got != want {
				t.Errorf("the client got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestARefusedStreamDoesNotDisturbOtherStreams(t *testing.T) {
	w := newWorld(t, http2Engine(t, func(a http.ResponseWriter, r *http.Request) { fmt.Fprint(a, "passed ", r.URL) }),
		func(s *Server) { s.BodyLimit = 64 })
	w.setPolicy(`port "none" { action = "deny" }`)
	c := w.dialHTTP2()
	unsized := func(body string) io.Reader { return io.MultiReader(strings.NewReader(body)) }
	for name, test := range map[string]struct {
		method, target string
		body           io.Reader
		header         http.Header
		want           string
	}{
		"by its form": {"POST", "/containers/create", unsized(`{"HostConfig":{"PublishAllPorts":true}}`), http.Header{"Content-Type": {"multipart/form-data"}},
			`415 {"message":"safesock: a body of the Content-Type \"multipart/form-data\" is not read by this endpoint; send the parameters in the query"}`},
		"by its length": {"POST", "/containers/create", strings.NewReader(strings.Repeat(" ", 65)), nil, `413 {"message":"safesock: the body is longer than 64 bytes, which is as much as is read of one call"}`},
		"by its end":    {"POST", "/containers/create", unsized(strings.Repeat(" ", 65)), nil, `413 {"message":"safesock: the body is longer than 64 bytes, which is as much as is read of one call"}`},
		"by its path":   {"POST", "/containers/./create", nil, nil, `400 {"message":"safesock: the path \"/containers/./create\" is not in its shortest form; send \"/containers/create\""}`},
		"by its type":   {"POST", "/containers/create", nil, http.Header{"Content-Type": {"application/grpc"}}, "INVALID_ARGUMENT"},
		"CONNECT":       {"CONNECT", "", nil, nil, `400 {"message":"safesock: the Engine has no CONNECT"}`},
		"by a rule":     {"POST", "/containers/create", unsized(`{"HostConfig":{"PortBindings":{"1/tcp":[{}]}}}`), nil, `403 {"message":"safesock: 1/tcp may not be published on every interface (port \"none\", test.hcl:1); to allow it, put a rule before that one"}`},
	} {
		r := call(t, test.method, test.target, test.body, test.header)
		answer, body := answered(t, c, r)
		got := fmt.Sprintf("%d %s", answer.StatusCode, strings.TrimSuffix(body, "\n"))
		if test.want == "INVALID_ARGUMENT" {
			test.want = `200 3 safesock: POST /containers/create is no gRPC; send it with another Content-Type than "application/grpc"`
			message, _ := url.PathUnescape(answer.Header.Get("Grpc-Message"))
			got += answer.Header.Get("Grpc-Status") + " " + message
		}
		if got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, test.want)
		}
	}
	if _, body := answered(t, c, call(t, "GET", "/_ping", nil, nil)); body != "passed /_ping" {
		t.Errorf("got %s", body)
	}
}

func TestExtendedCONNECTIsRefused(t *testing.T) {
	w := newWorld(t, http2Engine(t, func(http.ResponseWriter, *http.Request) { t.Error("the Engine was asked") }))
	r := call(t, "CONNECT", "/containers/a/attach/ws", nil, http.Header{":protocol": {"websocket"}})
	if answer, err := w.dialHTTP2().RoundTrip(r); err == nil {
		t.Errorf("got %s", answer.Status)
	}
}

func TestAnUnwritableLogForwardsNoStream(t *testing.T) {
	full, err := OpenAudit("/dev/full")
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	w := newWorld(t, http2Engine(t, func(http.ResponseWriter, *http.Request) { t.Error("the Engine was asked") }),
		func(s *Server) { s.Audit = full })
	answer, body := answered(t, w.dialHTTP2(), call(t, "POST", "/containers/create", strings.NewReader(openBody), nil))
	want := "{\"message\":\"safesock: the audit log cannot be written, so the call was not forwarded: write /dev/full: no space left on device\"}\n"
	if answer.StatusCode != 500 || body != want {
		t.Errorf("got %s %s", answer.Status, body)
	}
}

func TestStreamsPassBothWaysWithTheirTrailers(t *testing.T) {
	for name, target := range map[string]string{
		"gRPC":          "/moby.buildkit.v1.Control/Session",
		"an upload":     "/images/load",
		"a build":       "/build",
		"a new service": "/grpc.of.the.Future/Call",
	} {
		t.Run(name, func(t *testing.T) {
			sums := make(chan string, 1)
			w := newWorld(t, http2Engine(t, func(a http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/version" { // which safesock itself asks for
					io.WriteString(a, `{"Version":"28.5.2","ApiVersion":"1.51","Components":[]}`)
					return
				}
				a.Header().Set("Content-Type", "application/grpc")
				a.Header().Set("Trailer", "Grpc-Status")
				flush(a)
				if err := moveBody(a, r.Body); err != nil {
					t.Error(err)
				}
				sums <- fmt.Sprint(r.Trailer)
				a.Header().Set("Grpc-Status", "0")
				a.Header().Set(http.TrailerPrefix+"Grpc-Message", "done")
			}))
			in, out := io.Pipe()
			r := call(t, "POST", target, in, http.Header{"Te": {"trailers"}})
			if strings.Contains(target, ".") {
				r.Header.Set("Content-Type", "application/grpc+proto")
			}
			r.Trailer = http.Header{"X-Sum": {"3"}}
			answer, err := w.dialHTTP2().RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range []string{"a", "bc", strings.Repeat("d", 1<<20)} {
				go io.WriteString(out, part)
				echo := make([]byte, len(part))
				if _, err := io.ReadFull(answer.Body, echo); err != nil || string(echo) != part {
					t.Fatalf("got %.20q (%v) want %.20q", echo, err, part)
				}
			}
			out.Close()
			rest, err := io.ReadAll(answer.Body)
			got := fmt.Sprint(len(rest), err, " ", answer.Trailer, " ", <-sums)
			if want := "0 <nil> map[Grpc-Message:[done] Grpc-Status:[0]] map[X-Sum:[3]]"; got != want {
				t.Errorf("got %s want %s", got, want)
			}
		})
	}
}

func TestAnAnswerOfTrailersAloneStaysAHeadAlone(t *testing.T) {
	w := newWorld(t, http2Engine(t, func(a http.ResponseWriter, r *http.Request) {
		a.Header().Set("Content-Type", "application/grpc")
		a.Header().Set("Grpc-Status", "12")
	}))
	const (
		headers, endStream, endHeaders = 1, 1, 4                             // RFC 9113, 6.2
		block                          = "\x83\x86\x04\x03/ok\x01\x06docker" // POST, http and the rest: RFC 7541
	)
	c := w.dial()
	c.send(preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + "\x00\x00" + string(rune(len(block))) + "\x01\x05\x00\x00\x00\x01" + block)
	for {
		frame := make([]byte, 9)
		if _, err := io.ReadFull(c, frame); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, c, int64(frame[0])<<16|int64(frame[1])<<8|int64(frame[2])); err != nil {
			t.Fatal(err)
		}
		if frame[3] == headers {
			if frame[4] != endStream|endHeaders {
				t.Errorf("the answer's head has the flags %#x", frame[4])
			}
			return
		}
	}
}

func TestLongBodiesPassHTTP2(t *testing.T) {
	const size = 32 << 20
	w := newWorld(t, http2Engine(t, func(a http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil || n != size {
			t.Errorf("the Engine got %d bytes (%v)", n, err)
		}
		io.CopyN(a, endless{}, size)
	}))
	answer, err := w.dialHTTP2().RoundTrip(call(t, "POST", "/images/load", io.LimitReader(endless{}, size), nil))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if n, err := io.Copy(io.Discard, answer.Body); n != size || err != nil {
		t.Errorf("the client got %d bytes (%v)", n, err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestACancelledStreamIsCancelledAtTheEngine(t *testing.T) {
	for name, end := range map[string]func(c *http.ClientConn, cancel func()){
		"the stream":     func(_ *http.ClientConn, cancel func()) { cancel() },
		"the connection": func(c *http.ClientConn, _ func()) { c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan error, 2)
			w := newWorld(t, http2Engine(t, func(a http.ResponseWriter, r *http.Request) {
				flush(a)
				if r.URL.Path == "/images/load" {
					_, err := io.Copy(io.Discard, r.Body)
					ended <- err
					return
				}
				<-r.Context().Done()
				ended <- r.Context().Err()
			}))
			c := w.dialHTTP2()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			upload, out := io.Pipe()
			context.AfterFunc(ctx, func() { out.CloseWithError(ctx.Err()) })
			for _, r := range []*http.Request{call(t, "GET", "/events", nil, nil), call(t, "POST", "/images/load", upload, nil)} {
				if _, err := c.RoundTrip(r.WithContext(ctx)); err != nil {
					t.Fatal(err)
				}
			}
			end(c, cancel)
			for range 2 {
				if err := <-ended; err == nil {
					t.Error("the stream ended as if it were whole")
				}
			}
		})
	}
}

func TestAnAnswerThatBreaksOffOverHTTP2BreaksOffForTheClient(t *testing.T) {
	w := newWorld(t, http2Engine(t, func(a http.ResponseWriter, r *http.Request) {
		io.WriteString(a, "some")
		flush(a)
		panic(http.ErrAbortHandler)
	}))
	answer, err := w.dialHTTP2().RoundTrip(call(t, "GET", "/events", nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(answer.Body); string(body) != "some" || err == nil {
		t.Errorf("got %s (%v)", body, err)
	}
}

func TestGRPCOverHTTP2IsRefused(t *testing.T) {
	w := newWorld(t, http2Engine(t, func(http.ResponseWriter, *http.Request) { t.Error("the Engine was asked") }))
	w.setPolicy(noBuildKit + `
api "only calls that were reviewed" {
  when   = !call.known
  action = "deny"
}`)
	c := w.dialHTTP2()
	for _, target := range []string{"/moby.buildkit.v1.Control/ListWorkers", "/grpc.health.v1.Health/Check", "/Future/Call"} {
		r := call(t, "POST", target, strings.NewReader("\x00\x00\x00\x00\x00"), http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}})
		answer, body := answered(t, c, r)
		message, err := url.PathUnescape(answer.Header.Get("Grpc-Message"))
		got := fmt.Sprint(answer.StatusCode, answer.Header["Content-Type"], answer.Header["Grpc-Status"], message, body, err)
		want := "200 [application/grpc] [7]safesock: buildkit " + target[1:] + ` may not be granted (privilege "no BuildKit", test.hcl:1); build with DOCKER_BUILDKIT=0<nil>`
		if target == "/Future/Call" {
			want = `200 [application/grpc] [7]safesock: POST /Future/Call may not be made (api "only calls that were reviewed", test.hcl:6); to allow it, put a rule before that one<nil>`
		}
		if got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}
