//go:build e2e

package e2e

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/safesock/safesock/tests/e2e/lab"
)

// replay is one attack on its way to a socket.
type replay struct {
	lab    *lab.Lab
	attack attack
	socket string // that is attacked
	guard  string // the policy of safesock's there, "" for the Engine's own socket

	wires   map[string]*wire
	lastID  string // of what was made last
	mutex   sync.Mutex
	answers []string // all that the client got
	before  []string // what listened before
}

// wire is one of the attacker's connections.
type wire struct {
	conn   *net.UnixConn
	reader *bufio.Reader
	owed   bool // something was sent since the last answer
	raw    bool // what comes is no answer any more
}

// patience is how long an attacker waits for an answer that need not come.
const patience = 3 * time.Second

// run takes every step of the attack.
func (r *replay) run(t *testing.T) {
	t.Helper()
	for _, s := range r.attack.steps {
		switch s.verb {
		case "setup":
			for _, block := range blocks(s.text) {
				if status, answer, err := r.request(r.lab.Kind.Socket, r.expand(t, block)); err != nil || status >= 400 {
					t.Fatalf("setup: %s\n%d %s (%v)", block, status, answer, err)
				}
			}
		case "attack":
			for _, block := range blocks(s.text) {
				r.request(r.socket, r.expand(t, block))
			}
		case "http2":
			engine := r.lab.HTTP2(t, r.socket)
			for _, block := range blocks(s.text) {
				r.stream(t, engine, r.expand(t, block))
			}
		case "grpc":
			var engine *http.Client
			if s.on == "HTTP/2" {
				engine = r.lab.HTTP2(t, r.socket)
			} else {
				engine = r.grpcClient(t, 0, cmp.Or(s.on, "/grpc"))
			}
			for _, block := range blocks(s.text) {
				r.call(t, engine, r.expand(t, block))
			}
		case "meanwhile":
			uid := 0
			if s.on == "others" {
				uid = theirUID
			}
			engine := r.grpcClient(t, uid, "/grpc")
			go r.call(t, engine, r.expand(t, s.text))
		case "together":
			var all sync.WaitGroup
			for _, block := range blocks(s.text) {
				text := r.expand(t, block)
				all.Go(func() { r.request(r.socket, text) })
			}
			all.Wait()
		case "send":
			w := r.wire(t, s.on)
			text := s.text
			if !strings.HasSuffix(text, "\n\n") {
				text = strings.TrimSuffix(text, "\n")
			}
			text = r.expand(t, strings.ReplaceAll(text, "\n", "\r\n"))
			w.conn.SetWriteDeadline(time.Now().Add(patience))
			if _, err := io.WriteString(w.conn, text); err != nil {
				r.got("send " + s.on + ": " + err.Error())
			}
			w.owed = true
		case "head":
			r.head(r.wire(t, s.on))
		case "answer":
			r.answer(r.wire(t, s.on))
		case "until":
			for line := range strings.Lines(s.text) {
				if err := await(func() error { return r.holds(t, line) }); err != nil {
					t.Fatal(err)
				}
			}
		case "half-close":
			r.wire(t, s.on).conn.CloseWrite()
		}
	}
	if r.guard == "" {
		return // what it set off goes on while it is judged
	}
	r.answerAll()
}

// answerAll reads the answers that are still to come.
func (r *replay) answerAll() {
	for _, w := range r.wires {
		if w.owed {
			r.answer(w)
		}
	}
}

// await waits for something that the Engine and its containers do by
// themselves, which takes them a moment.
func await(happened func() error) error {
	for end := time.Now().Add(10 * patience); ; time.Sleep(10 * time.Millisecond) {
		err := happened()
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

// blocks are the requests of a section, which empty lines separate.
func blocks(text string) []string {
	return strings.Split(strings.TrimSpace(text), "\n\n")
}

func (r *replay) got(text string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.answers = append(r.answers, text)
}

func (r *replay) close() {
	for _, w := range r.wires {
		w.conn.Close()
	}
}

// wire is a connection by its name, new if there is none yet.
func (r *replay) wire(t *testing.T, name string) *wire {
	t.Helper()
	if w, ok := r.wires[name]; ok {
		return w
	}
	conn, err := r.lab.Dial(r.socket)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{conn: conn, reader: bufio.NewReader(conn)}
	if r.wires == nil {
		r.wires = map[string]*wire{}
	}
	r.wires[name] = w
	return w
}

// answer reads one answer, as far as it comes.
func (r *replay) answer(w *wire) {
	w.owed = false
	w.conn.SetReadDeadline(time.Now().Add(patience))
	if w.raw {
		text, _ := io.ReadAll(w.reader)
		r.got(string(text))
		return
	}
	_, answer, err := readAnswer(w.reader)
	if err != nil {
		answer += " (" + err.Error() + ")"
	}
	r.got(answer)
}

// head reads the head of an answer, behind which a raw stream comes.
func (r *replay) head(w *wire) {
	w.conn.SetReadDeadline(time.Now().Add(patience))
	for w.raw = true; ; {
		line, err := w.reader.ReadString('\n')
		if r.got(line); err != nil || line == "\r\n" {
			return
		}
	}
}

// request sends one request, written as
//
//	METHOD TARGET
//	Field: value
//	{"a":"body"}
//
// on a connection of its own, and waits for the answer.
func (r *replay) request(socket, text string) (status int, answer string, err error) {
	conn, err := r.lab.Dial(socket)
	if err != nil {
		return 0, "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	line, request := compose(text)
	if _, err := io.WriteString(conn, request); err != nil {
		r.got(line + ": " + err.Error())
	}
	status, answer, err = readAnswer(bufio.NewReader(conn))
	r.got(fmt.Sprintf("%s: %s %v", line, answer, err))
	if socket == r.socket {
		r.made(answer)
	}
	return status, answer, err
}

// stream sends such a request over HTTP/2, and waits for the answer.
func (r *replay) stream(t *testing.T, engine *http.Client, text string) {
	t.Helper()
	line, request := compose(text)
	call, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	path, query, _ := strings.Cut(call.RequestURI, "?")
	call.URL, call.RequestURI = &url.URL{Scheme: "http", Host: call.Host, Opaque: path, RawQuery: query}, ""
	res, err := engine.Do(call.WithContext(ctx))
	if err != nil {
		r.got(line + ": " + err.Error())
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	r.got(fmt.Sprintf("%s: %s\n%s %v", line, res.Status, body, err))
	r.got("Grpc-Status: " + res.Header.Get("Grpc-Status") + res.Trailer.Get("Grpc-Status"))
	r.made(string(body))
}

// compose is such a request as HTTP/1.1 has it, and its first line.
func compose(text string) (line, request string) {
	line, rest, _ := strings.Cut(text, "\n")
	var fields, body strings.Builder
	for line := range strings.Lines(rest) {
		name, _, ok := strings.Cut(line, ": ")
		if ok && body.Len() == 0 && !strings.ContainsAny(name, "{[\" ") {
			fields.WriteString(strings.TrimSuffix(line, "\n") + "\r\n")
			continue
		}
		body.WriteString(line)
	}
	content := strings.TrimSuffix(body.String(), "\n")
	if content != "" && !strings.Contains(fields.String(), "Content-Type:") {
		fields.WriteString("Content-Type: application/json\r\n")
	}
	return line, fmt.Sprintf("%s HTTP/1.1\r\nHost: engine\r\n%sContent-Length: %d\r\n\r\n%s", strings.TrimSpace(line), fields.String(), len(content), content)
}

// made remembers the Id that an answer ends with.
func (r *replay) made(answer string) {
	var made struct{ Id string }
	answer = strings.TrimSpace(answer)
	if json.Unmarshal([]byte(answer[strings.LastIndex(answer, "\n")+1:]), &made) == nil && made.Id != "" {
		r.mutex.Lock()
		r.lastID = made.Id
		r.mutex.Unlock()
	}
}

// readAnswer reads one answer and gives its status, and its status line with its body.
func readAnswer(reader *bufio.Reader) (status int, text string, err error) {
	for {
		answer, err := http.ReadResponse(reader, nil)
		if err != nil {
			return 0, "", err
		}
		if answer.StatusCode == http.StatusContinue {
			continue
		}
		if answer.StatusCode == http.StatusSwitchingProtocols {
			return answer.StatusCode, answer.Status, nil
		}
		body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
		return answer.StatusCode, answer.Status + "\n" + strings.TrimSpace(string(body)), err
	}
}

// engineJSON is what the Engine itself answers to GET, nil if there is no such thing.
func (r *replay) engineJSON(path string) any {
	res, err := r.lab.HTTP(r.lab.Kind.Socket).Get("http://engine" + path)
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	var v any
	if res.StatusCode != http.StatusOK || json.NewDecoder(res.Body).Decode(&v) != nil {
		return nil
	}
	return v
}

// engineText is one field of that, as in "HostConfig.Binds.0", "" if it is not there.
func (r *replay) engineText(path, field string) string {
	v := r.engineJSON(path)
	for name := range strings.SplitSeq(field, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(in) {
				return ""
			}
			v = in[i]
		default:
			return ""
		}
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// reset removes all that an attack has left at the Engine, until no more
// listens than before it: a build that was given up ends a moment later, and on
// Podman not by itself.
func reset(t *testing.T, l *lab.Lab, calm []string) {
	t.Helper()
	if err := await(func() error {
		remove(l)
		_ = l.Command("", "pkill", "-KILL", "-x", "web").Run() // there may be none
		if left := l.Listening(t); !slices.Equal(left, calm) {
			return fmt.Errorf("there listen %v, and before the attack %v", left, calm)
		}
		// A step of a build keeps its network until the Engine has ended the build.
		if (&replay{lab: l}).engineText("/networks/lan", "Name") == "lan" {
			return errors.New("the network lan is still there")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// remove removes what there is at the Engine now.
func remove(l *lab.Lab) {
	r := &replay{lab: l}
	each := func(path, list, field, remove string) {
		v := r.engineJSON(path)
		if list != "" {
			object, _ := v.(map[string]any)
			v = object[list]
		}
		items, _ := v.([]any)
		for _, item := range items {
			object, _ := item.(map[string]any)
			name, _ := object[field].(string)
			r.request(l.Kind.Socket, fmt.Sprintf(remove, name))
		}
	}
	if r.engineText("/info", "Swarm.LocalNodeState") == "active" {
		each("/services", "", "ID", "DELETE /services/%s")
		r.request(l.Kind.Socket, "POST /swarm/leave?force=1")
	}
	each("/v4.0.0/libpod/pods/json", "", "Id", "DELETE /v4.0.0/libpod/pods/%s?force=1")
	each("/containers/json?all=1", "", "Id", "DELETE /containers/%s?force=1&v=1")
	each("/networks?filters="+`%7B%22type%22:%5B%22custom%22%5D%7D`, "", "Id", "DELETE /networks/%s")
	each("/volumes", "Volumes", "Name", "DELETE /volumes/%s?force=1")
	images, _ := r.engineJSON("/images/json").([]any)
	for _, image := range images {
		object, _ := image.(map[string]any)
		tags, _ := object["RepoTags"].([]any)
		for _, tag := range tags {
			if name, _ := tag.(string); !strings.Contains(name, "web:1") {
				r.request(l.Kind.Socket, "DELETE /images/"+name+"?force=1")
			}
		}
	}
}
