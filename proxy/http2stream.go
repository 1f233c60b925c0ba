package proxy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/safesock/safesock/rewrite"
)

// ServeHTTP moves one stream, or refuses it.
func (s *http2Session) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.streams.TryRLock() {
		panic(http.ErrAbortHandler)
	}
	defer s.streams.RUnlock()
	if s.refused != nil {
		s.refuse(w, r, s.refused)
		return
	}
	x, out, err := s.read(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	defer x.done()
	answer, err := s.engine.RoundTrip(out)
	if err != nil {
		if s.engine.Available() == 0 { // the Engine is about to hang up
			s.drain()
		}
		x.logAnswer(http.StatusBadGateway, "")
		s.refuse(w, r, &refusal{http.StatusBadGateway, "the Engine at " + s.server.Upstream + " gave no answer: " + err.Error()})
		return
	}
	defer answer.Body.Close()
	s.passOn(w, answer, x)
}

// read reads a request and returns the request for the Engine. If the policy
// has a say, it decides and edits the call first.
func (s *http2Session) read(r *http.Request) (x *intercepted, out *http.Request, err error) {
	switch {
	case r.Method == http.MethodConnect:
		return nil, nil, s.unread(rewrite.Match{Method: r.Method}, bad("the Engine has no CONNECT"))
	case r.RequestURI[0] != '/' && r.RequestURI != "*":
		return nil, nil, s.unread(rewrite.Match{Method: r.Method}, bad("the path does not begin with a slash"))
	}
	match, err := rewrite.RouteHTTP2(r.Method, r.URL, r.Header)
	if err != nil {
		return nil, nil, s.unread(match, err)
	}
	p := s.server.policy.Load()
	if match.Endpoint == nil && !p.Filters() {
		return nil, forEngine(r, r.RequestURI, r.Body, r.ContentLength), nil
	}
	x = &intercepted{server: s.server, peer: s.peer, endpoint: match.Endpoint}
	defer func(x *intercepted) {
		if err != nil {
			x.done()
		}
	}(x)
	waiting := func() (context.Context, func()) { return r.Context(), func() {} }
	call := rewrite.Call{Match: match, URL: r.URL, Header: r.Header}
	if match.ReadsBody(r.Header) {
		if call.Body, err = s.server.wholeBody(r, &x.body, waiting); err != nil {
			return nil, nil, s.unread(match, err)
		}
	}
	result, err := x.decide(p, call, waiting)
	if err != nil {
		return nil, nil, err
	}
	target := r.RequestURI
	if result.Target != r.URL.RequestURI() {
		target = result.Target
	}
	body, length := r.Body, r.ContentLength
	if match.ReadsBody(r.Header) {
		body, x.body = &sentBody{Reader: bytes.NewReader(result.Body), room: x.body}, room{}
		if !bytes.Equal(result.Body, call.Body) {
			length = int64(len(result.Body))
		}
	}
	return x, forEngine(r, target, body, length), nil
}

// unread writes to the audit log that a request is refused that no rule has
// looked at.
func (s *http2Session) unread(match rewrite.Match, why error) error {
	s.server.recordRefusal(match, s.peer, why)
	return why
}

// wholeBody reads a body up to the limit, and takes room for it.
func (s *Server) wholeBody(r *http.Request, room *room, waiting func() (context.Context, func())) (body []byte, err error) {
	limit, most := s.bodyLimit(), r.ContentLength
	if most > limit {
		return nil, s.tooLong()
	}
	// A call of gRPC has no length. Most are small.
	first := most
	if most < 0 {
		first = s.memory.bodies.smallest
	}
	var gaveUp bool
	for ; ; first = limit {
		room.keep(0)
		if *room, err = s.memory.bodies.take(first, waiting); err != nil {
			return nil, err
		}
		stop := s.memory.hurry(func() { r.Body.Close() })
		var more []byte
		more, err = io.ReadAll(io.LimitReader(r.Body, first+1-int64(len(body))))
		gaveUp = stop()
		body = append(body, more...)
		if err != nil || int64(len(body)) <= first || first == limit {
			break
		}
	}
	switch {
	case err != nil && gaveUp:
		return nil, errSlow
	case err != nil:
		return nil, bad("the body: %v", err)
	case int64(len(body)) > limit:
		return nil, s.tooLong()
	}
	room.keep(int64(len(body)))
	return body, nil
}

// sentBody is a body that was read, on its way to the Engine. It has its room until
// it has been sent: the call may go on for hours.
type sentBody struct {
	*bytes.Reader
	room    room
	release sync.Once
}

func (b *sentBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		b.Close()
	}
	return n, err
}

func (b *sentBody) Close() error {
	b.release.Do(func() { b.room.keep(0) })
	return nil
}

// forEngine returns the client's request as the Engine gets it.
func forEngine(r *http.Request, target string, body io.ReadCloser, length int64) *http.Request {
	path, query, has := strings.Cut(target, "?")
	u := &url.URL{Scheme: "http", Host: "localhost", Opaque: path, RawQuery: query, ForceQuery: has}
	if strings.HasPrefix(path, "//") { // net/http would take it for a host
		u.Opaque, u.RawPath = "", path
		u.Path, _ = url.PathUnescape(path) // it was parsed before
	}
	if _, ok := r.Header["User-Agent"]; !ok {
		r.Header["User-Agent"] = nil // or net/http would name itself
	}
	out := &http.Request{Method: r.Method, URL: u, Host: r.Host, Header: r.Header, ContentLength: length}
	if length != 0 {
		out.Body, out.Trailer = body, r.Trailer
	}
	return out.WithContext(r.Context())
}

// refuse answers a stream in the Engine's place. A gRPC call is answered in
// gRPC's form, so that BuildKit's clients show the reason.
func (s *http2Session) refuse(w http.ResponseWriter, r *http.Request, why error) {
	status, reason := statusOf(why)
	s.server.log().Debug("refused", slog.Any("reason", why), slog.Int("pid", s.peer.PID))
	header := w.Header()
	header["Date"] = nil
	if rewrite.IsGRPC(r.Header) {
		header.Set("Content-Type", "application/grpc")
		header.Set("Grpc-Status", strconv.Itoa(grpcStatus(status)))
		header.Set("Grpc-Message", url.PathEscape(reason))
		return
	}
	body := errorBody(reason)
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // an error means that the client is gone
}

// grpcStatus returns the gRPC status code that is closest to an HTTP status.
func grpcStatus(status int) int {
	switch status {
	case http.StatusBadRequest, http.StatusUnsupportedMediaType:
		return 3 // INVALID_ARGUMENT
	case http.StatusNotFound:
		return 5 // NOT_FOUND
	case http.StatusForbidden:
		return 7 // PERMISSION_DENIED
	case http.StatusBadGateway:
		return 14 // UNAVAILABLE
	}
	return 13 // INTERNAL
}

// passOn moves an answer to the client as it comes, and logs it. An answer with a
// place for its call's warnings gets them, and an error the client's own names.
func (s *http2Session) passOn(w http.ResponseWriter, answer *http.Response, x *intercepted) {
	body := io.Reader(answer.Body)
	if limit := x.editable(answer.StatusCode); limit > 0 {
		x.body.keep(0)
		room, err := s.server.memory.answers.take(limit, func() (context.Context, func()) { return answer.Request.Context(), func() {} })
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer room.keep(0)
		first, err := io.ReadAll(io.LimitReader(body, limit+1))
		if err != nil {
			x.logAnswer(answer.StatusCode, "")
			panic(http.ErrAbortHandler)
		}
		id := ""
		if int64(len(first)) <= limit {
			first, id = x.edit(answer.StatusCode, first)
			answer.Header.Set("Content-Length", strconv.Itoa(len(first)))
		}
		x.logAnswer(answer.StatusCode, id)
		body = io.MultiReader(bytes.NewReader(first), body)
	} else if !x.endsLater() {
		x.logAnswer(answer.StatusCode, "")
	}

	header := w.Header()
	header["Date"], header["Content-Type"] = nil, nil // or net/http would add its own
	maps.Copy(header, answer.Header)
	for name := range answer.Trailer {
		header.Add("Trailer", name)
	}
	w.WriteHeader(answer.StatusCode)
	if answer.ContentLength != 0 { // without a body, the head alone ends the stream
		flush(w)
	}
	var result bytes.Buffer // of a build: its answer is short
	var err error
	switch {
	case x.tellsProgress():
		err = s.moveProgress(w, body, x.build)
	case x.endsLater():
		err = moveBody(w, io.TeeReader(io.LimitReader(body, maxWarned), &result))
		err = cmp.Or(err, moveBody(w, body))
	default:
		err = moveBody(w, body)
	}
	if x.endsLater() {
		status := cmp.Or(answer.Trailer.Get("Grpc-Status"), answer.Header.Get("Grpc-Status"))
		code, unclear := strconv.Atoi(status)
		if unclear != nil {
			code = 2 // UNKNOWN: the answer broke off
		}
		x.logBuild(answer.StatusCode, code, rewrite.BuiltImage(result.Bytes()))
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	for name, values := range answer.Trailer {
		header[http.TrailerPrefix+name] = values
	}
}

// moveProgress moves the answer to buildkit.status, a stream of gRPC messages, and
// puts the build's warnings between them.
func (s *http2Session) moveProgress(w http.ResponseWriter, body io.Reader, build string) error {
	for {
		var head [5]byte
		n, err := io.ReadFull(body, head[:])
		if err != nil && err != io.EOF { // within a head
			_, _ = w.Write(head[:n])
			return err
		}
		if warnings := s.server.builds.takeWarnings(build); len(warnings) > 0 {
			if _, err := w.Write(rewrite.BuildWarnings(warnings)); err != nil {
				return err
			}
			flush(w)
		}
		if err == io.EOF {
			return nil
		}
		message := io.LimitReader(body, int64(binary.BigEndian.Uint32(head[1:])))
		if err := moveBody(w, io.MultiReader(bytes.NewReader(head[:]), message)); err != nil {
			return err
		}
	}
}

// moveBody writes each piece of a body as soon as it has read it.
func moveBody(w http.ResponseWriter, body io.Reader) error {
	buffer := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buffer)
	for {
		n, err := body.Read(buffer[:])
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return err
			}
			flush(w)
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// flush sends what was written. If that fails, the next write returns the error.
func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }
