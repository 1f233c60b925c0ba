package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite"
)

// onlyRecord decodes a log with one record, of a call without claims.
func onlyRecord(t *testing.T, log string) CallRecord {
	t.Helper()
	if strings.Count(log, "\n") != 1 || !strings.Contains(log, `"claims":[]`) {
		t.Fatalf("got %q want one record without claims", log)
	}
	var r CallRecord
	decode(t, log, &r)
	if r.ID == "" || time.Since(r.Time) > patience || r.Client.UID != os.Getuid() || r.Client.PID != os.Getpid() || r.Client.Command != "proxy.test" {
		t.Errorf("got %+v", r)
	}
	return r
}

func TestARequestIsOnRecordThatIsRefusedBeforeARuleSeesIt(t *testing.T) {
	for name, c := range map[string]struct{ request, want string }{
		"a line without a colon": {"GET /_ping HTTP/1.1\r\nHost docker\r\n\r\n",
			`call "" "" "" ""`},
		"two lengths": {"POST /containers/create HTTP/1.1\r\nHost: docker\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
			`call "" "" "" ""`},
		"a head of HTTP/2 without its preface": {"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
			`call "" "" "" ""`},
		"a path with a bad escape": {"GET /%zz HTTP/1.1\r\nHost: docker\r\n\r\n",
			`call "" "GET" "" ""`},
		"a path that is not the shortest": {"POST /v1.41//containers/create HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n",
			`call "" "POST" "//containers/create" "1.41"`},
		"a body that is too long": {"POST /v1.41/containers/create HTTP/1.1\r\nHost: docker\r\nContent-Length: 99999999\r\n\r\n",
			`call "container.create" "POST" "/containers/create" "1.41"`},
		"a chunk without a size": {"POST /containers/create HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
			`call "container.create" "POST" "/containers/create" ""`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(e *peerEnd) { e.expectEnd() })
			client := w.dial()
			client.send(c.request)
			refusal, err := http.ReadResponse(client.in, nil)
			if err != nil {
				t.Fatal(err)
			}
			var told struct{ Message string }
			if err := json.NewDecoder(refusal.Body).Decode(&told); err != nil {
				t.Error(err)
			}
			r := onlyRecord(t, w.auditLog())
			if got := fmt.Sprintf("%s %q %q %q %q", r.Record, r.Endpoint, r.Method, r.Path, r.Version); got != c.want || r.Refused != told.Message || told.Message == "" {
				t.Errorf("got %s, refused: %s\nwant %s, refused: %s", got, r.Refused, c.want, told.Message)
			}
		})
	}
}

func TestAStreamIsOnRecordThatIsRefusedBeforeARuleSeesIt(t *testing.T) {
	for name, c := range map[string]struct {
		method, target string
		header         http.Header
		want           string
	}{
		"gRPC that is none": {"POST", "/v1.53/containers/create", http.Header{"Content-Type": {"application/grpc"}},
			`call "container.create" "POST" "/containers/create" "1.53"`},
		"a path that is not the shortest": {"POST", "/v1.53/containers//create", nil,
			`call "" "POST" "/containers//create" "1.53"`},
		"a body that is too long": {"POST", "/v1.53/containers/create", http.Header{"Content-Length": {"65"}},
			`call "container.create" "POST" "/containers/create" "1.53"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, http2Engine(t, func(http.ResponseWriter, *http.Request) { t.Error("the Engine has the request") }),
				func(s *Server) { s.BodyLimit = 64 })
			refusal, body := answered(t, w.dialHTTP2(), call(t, c.method, c.target, strings.NewReader(strings.Repeat(" ", 65)), c.header))
			told, err := url.PathUnescape(refusal.Header.Get("Grpc-Message"))
			if err != nil {
				t.Error(err)
			}
			if told == "" {
				var message struct{ Message string }
				decode(t, body, &message)
				told = message.Message
			}
			r := onlyRecord(t, w.auditLog())
			if got := fmt.Sprintf("%s %q %q %q %q", r.Record, r.Endpoint, r.Method, r.Path, r.Version); got != c.want || r.Refused != told || told == "" {
				t.Errorf("got %s, refused: %s\nwant %s, refused: %s", got, r.Refused, c.want, told)
			}
		})
	}
}

func TestAClientThatLeavesWithinAHeadIsNotOnRecord(t *testing.T) {
	w := newWorld(t, func(e *peerEnd) { e.expectEnd() })
	c := w.dial()
	c.send("POST /containers/create HTTP/1.1\r\nHost:")
	c.Close()
	w.awaitConnections(0)
	if got := w.auditLog(); got != "" {
		t.Errorf("got %q want nothing", got)
	}
}

// hostileRecord is what the log makes of a text that a client puts everywhere.
func hostileRecord(t *testing.T, text string) []byte {
	t.Helper()
	claims := []rewrite.Outcome{
		{Claim: policy.Mount{Source: text, Target: text}, Pointer: text, Before: text, After: text + " "},
		{Claim: policy.Network{Mode: text, Name: text, Options: map[string]string{text: text}}, Pointer: text, Before: text, After: "[" + text + "]"},
		{Claim: policy.Port{Protocol: text, Host: text, IP: text}, Before: `{"` + text + `":[` + text + `]}`},
		{Claim: policy.Privilege{Name: text, Value: text}, Before: `"` + text + `"`},
	}
	r := CallRecord{
		Record: "call", ID: text, Endpoint: text, Method: text, Path: text, Version: text,
		Client:    ClientRecord{User: text, Command: text, Error: text},
		Container: &ContainerRecord{Name: text, Image: text},
		Compose:   &ComposeRecord{Project: text, Service: text, Files: text},
		Refused:   text,
	}
	for _, c := range claims {
		r.Claims = append(r.Claims, claimRecord(c))
	}
	line, err := encodeLine(r)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// hostileTexts are what readers of JSON stop at, or read as more than one line.
var hostileTexts = []string{
	strings.Repeat("[", 300) + strings.Repeat("]", 300), strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 300),
	`"\ud800"`, `\udc00`, "\xff\xfe", "\x00", strings.Repeat("9", 5000), "1e980", "-1E+980", "0." + strings.Repeat("1", 5000),
	"\u0085\u2028\u2029", "\x1b[2J\u009b2J", "a\r\nb\tc\v\f\x7f\x1c\x1e", "\ufeff{}", "\U0010ffff\ufffe", "NaN", "{\"\u2028\":1}", `{"a":1,"a":2}`, "null", " 1 \r\n",
}

func FuzzALineOfTheLogIsOneLineThatEveryReaderTakes(f *testing.F) {
	for _, text := range hostileTexts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		line := string(hostileRecord(t, text))
		body, ended := strings.CutSuffix(line, "\n")
		breaks := func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }
		if !ended || strings.ContainsFunc(body, breaks) || !utf8.ValidString(body) || !json.Valid([]byte(body)) || hasLoneSurrogate([]byte(body)) {
			t.Errorf("%q: got %q", text, line)
		}
		depth, deepest := 0, 0
		for tokens := json.NewDecoder(strings.NewReader(body)); ; {
			token, err := tokens.Token() // fails on a number that is no float64
			if token == json.Delim('{') || token == json.Delim('[') {
				depth++
			} else if token == json.Delim('}') || token == json.Delim(']') {
				depth--
			}
			if deepest = max(deepest, depth); err != nil {
				if depth != 0 || deepest > 100 {
					t.Errorf("%q: %v, %d levels deep: %q", text, err, deepest, line)
				}
				return
			}
		}
	})
}
