package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/safesock/safesock/rewrite"
)

// ServeHTTP moves one stream, or refuses it.
func (s *streams) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.open.TryRLock() {
		panic(http.ErrAbortHandler)
	}
	defer s.open.RUnlock()
	if s.refused != nil {
		s.refuse(w, r, s.refused)
		return
	}
	x, out, err := s.read(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	answer, err := s.engine.RoundTrip(out)
	if err != nil {
		if s.engine.Available() == 0 { // the Engine goes away
			s.goAway()
		}
		s.answered(x, http.StatusBadGateway, "")
		s.refuse(w, r, &malformed{http.StatusBadGateway, "the Engine at " + s.server.Upstream + " gave no answer: " + err.Error()})
		return
	}
	defer answer.Body.Close()
	s.tell(w, answer, x)
}

// read reads a request, has the policy decide it if it is an intercepted call,
// and gives what the Engine is to be sent.
func (s *streams) read(r *http.Request) (*intercepted, *http.Request, error) {
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
		return nil, s.request(r, r.RequestURI, r.Body, r.ContentLength), nil
	}
	call := rewrite.Call{Match: match, URL: r.URL, Header: r.Header, Client: clientOf(s.peer)}
	streams := match.Endpoint == nil || match.Endpoint.Traits&rewrite.Streams != 0
	if !streams {
		if call.Body, err = s.server.wholeBody(r); err != nil {
			return nil, nil, s.unread(match, err)
		}
	}
	x := &intercepted{endpoint: match.Endpoint, peer: s.peer}
	result, err := s.server.decide(p, call, x, func() (context.Context, func()) { return r.Context(), func() {} })
	if err != nil {
		return nil, nil, err
	}
	target := r.RequestURI
	if result.Target != r.URL.RequestURI() {
		target = result.Target
	}
	body, length := r.Body, r.ContentLength
	if !streams {
		body = io.NopCloser(bytes.NewReader(result.Body))
		if !bytes.Equal(result.Body, call.Body) {
			length = int64(len(result.Body))
		}
	}
	return x, s.request(r, target, body, length), nil
}

// unread writes to the audit log that a request is refused that no rule has
// looked at.
func (s *streams) unread(match rewrite.Match, err error) error {
	s.server.recordRefusal(match, s.peer, err)
	return err
}

// wholeBody reads a body that is to be read whole.
func (s *Server) wholeBody(r *http.Request) ([]byte, error) {
	limit := s.bodyLimit()
	if r.ContentLength > limit {
		return nil, s.tooLong()
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	switch {
	case err != nil:
		return nil, bad("the body: %v", err)
	case int64(len(body)) > limit:
		return nil, s.tooLong()
	}
	return body, nil
}

// request is the client's request as the Engine gets it.
func (s *streams) request(r *http.Request, target string, body io.ReadCloser, length int64) *http.Request {
	path, query, has := strings.Cut(target, "?")
	u := &url.URL{Scheme: "http", Host: "localhost", Opaque: path, RawQuery: query, ForceQuery: has}
	if strings.HasPrefix(path, "//") { // would be taken for a host
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

// refuse answers a stream that goes no further: in gRPC's form if it is gRPC,
// so that BuildKit's clients show the reason, and else in the Engine's.
func (s *streams) refuse(w http.ResponseWriter, r *http.Request, why error) {
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
	body, err := json.Marshal(map[string]string{"message": reason})
	if err != nil {
		panic(err) // a string can always be encoded
	}
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // there is nobody to tell that the client is gone
}

// grpcStatus is the gRPC status code that says most nearly the same.
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

// answered logs what the Engine made of a call, if it was an intercepted one.
func (s *streams) answered(x *intercepted, status int, id string) {
	if x != nil {
		x.answered(s.server, status, id)
	}
}

// tell passes on an answer as it comes, or with warnings if it is of a call
// that has some and has a place for them.
func (s *streams) tell(w http.ResponseWriter, answer *http.Response, x *intercepted) {
	body := io.Reader(answer.Body)
	if x != nil && answer.StatusCode < 300 && x.endpoint != nil && x.endpoint.Traits&rewrite.Warns != 0 {
		first, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
		if err != nil {
			s.answered(x, answer.StatusCode, "")
			panic(http.ErrAbortHandler)
		}
		if len(first) <= maxAnswer {
			var id string
			first, id = rewrite.Warn(first, x.warnings)
			s.answered(x, answer.StatusCode, id)
			answer.Header.Set("Content-Length", strconv.Itoa(len(first)))
		} else {
			s.answered(x, answer.StatusCode, "")
		}
		body = io.MultiReader(bytes.NewReader(first), body)
	} else {
		s.answered(x, answer.StatusCode, "")
	}

	header := w.Header()
	header["Date"], header["Content-Type"] = nil, nil // or net/http would add its own
	maps.Copy(header, answer.Header)
	for name := range answer.Trailer {
		header.Add("Trailer", name)
	}
	w.WriteHeader(answer.StatusCode)
	if answer.ContentLength != 0 { // an answer that is all head stays so
		flush(w)
	}
	if err := moveBody(w, body); err != nil {
		panic(http.ErrAbortHandler)
	}
	for name, values := range answer.Trailer {
		header[http.TrailerPrefix+name] = values
	}
}

// moveBody writes what it reads as soon as it has it.
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

// flush sends what was written. If it cannot, the next write tells.
func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }
