//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/safesock/safesock/tests/e2e/lab"
)

// localFiles is a build of the client's own steps that loads the client's files.
const localFiles = `{"%s":{"def":[
	{"source":{"identifier":"local://context","attrs":{%s"local.unique":"a"}}},
	{"inputs":[{"digest":"#0"}]}]}%s}`

// TestNobodyReadsFilesOfAnothersBuild tries each way to have the Engine ask
// another user's session for files. Each has to succeed at the Engine's own
// socket.
func TestNobodyReadsFilesOfAnothersBuild(t *testing.T) {
	enginesThat(t, func(k lab.Kind) bool { return !k.Podman() && k.Name != "20.10" }, func(t *testing.T, l *lab.Lab) {
		l.Serve(t)
		for _, socket := range []string{l.Kind.Socket, lab.SafesockSocket} {
			direct := socket == l.Kind.Socket
			for _, x := range []struct {
				name, path, body string
				field            string
				own              bool // the session is the client's own
			}{
				{name: "within the build", path: "/moby.buildkit.v1.frontend.LLBBridge/Solve", field: "Buildkit-Controlapi-Buildid: %s-build\n",
					body: fmt.Sprintf(localFiles, "Definition", "", `,"Evaluate":true`)},
				{name: "by the session's id", path: "/moby.buildkit.v1.Control/Solve",
					body: fmt.Sprintf(localFiles, "Definition", `"local.session":"%[1]s",`, `,"Ref":"%[1]s-own"`)},
				{name: "by the id behind a prefix", path: "/moby.buildkit.v1.Control/Solve",
					body: fmt.Sprintf(localFiles, "Definition", `"local.session":"x:%[1]s",`, `,"Ref":"%[1]s-own"`)},
				{name: "as a build's session", path: "/moby.buildkit.v1.Control/Solve",
					body: fmt.Sprintf(localFiles, "Definition", "", `,"Session":"x:%[1]s","Ref":"%[1]s-own"`)},
				{name: "its own", path: "/moby.buildkit.v1.Control/Solve", own: true,
					body: fmt.Sprintf(localFiles, "Definition", "", `,"Session":"%[1]s","Ref":"%[1]s-own"`)},
			} {
				t.Run(fmt.Sprintf("direct=%v/%s", direct, x.name), func(t *testing.T) {
					r := &replay{lab: l, socket: socket}
					id := strings.NewReplacer(" ", "", "'", "").Replace(fmt.Sprint("s", x.name, direct))
					owner := theirUID
					if x.own {
						owner = 0
					}
					asked := r.session(t, owner, id)
					theirs := r.grpcClient(t, owner, "/grpc")
					go r.call(t, theirs, fmt.Sprintf("POST /moby.buildkit.v1.Control/Solve\n"+`{"Ref":"%s-build","Session":"%[1]s"}`, id))
					r.call(t, theirs, fmt.Sprintf("POST /moby.buildkit.v1.frontend.LLBBridge/Ping\nBuildkit-Controlapi-Buildid: %s-build\n{}", id)) // waits for the build

					text := "POST " + x.path + "\n" + x.field + x.body
					r.call(t, r.grpcClient(t, 0, "/grpc"), strings.ReplaceAll(strings.ReplaceAll(text, "%[1]s", id), "%s", id))
					got := len(asked) > 0
					if want := direct || x.own; got != want {
						t.Errorf("the session was asked for files: %v, want %v; the answers were\n%s", got, want, strings.Join(r.answers, "\n"))
					}
					if last := r.answers[len(r.answers)-1]; !direct && !x.own && !strings.Contains(last, "another user started this build or session") {
						t.Errorf("got %q", last)
					}
				})
			}
		}
	})
}

// session serves a session of BuildKit's as the user, and returns a channel of
// the calls for files. Each of them is answered with an error.
func (r *replay) session(t *testing.T, uid int, id string) <-chan string {
	t.Helper()
	conn, err := asUser(uid, func() (*net.UnixConn, error) { return r.lab.Dial(r.socket) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	const files = "/moby.filesync.v1.FileSync/DiffCopy"
	if _, err := fmt.Fprintf(conn, "POST /session HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"+
		"X-Docker-Expose-Session-Uuid: %s\r\nX-Docker-Expose-Session-Name: a\r\nX-Docker-Expose-Session-Grpc-Method: %s\r\n\r\n", id, files); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	answer, err := http.ReadResponse(reader, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("POST /session: %v (%v)", answer, err)
	}
	asked := make(chan string, 10)
	server := http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, call *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		if call.URL.Path == files {
			asked <- call.URL.Path
			w.Header().Set("Grpc-Status", "5")
			w.Header().Set("Grpc-Message", "there are no files")
			return
		}
		_, _ = io.WriteString(w, "\x00\x00\x00\x00\x02\x08\x01") // its health is good
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	})}
	server.Protocols.SetUnencryptedHTTP2(true)
	listener := &oneConn{conn: upgraded{conn, reader}, over: make(chan struct{})}
	go server.Serve(listener)
	t.Cleanup(func() { close(listener.over) })
	return asked
}

// oneConn is a listener that accepts one connection.
type oneConn struct {
	conn net.Conn
	over chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if conn := l.conn; conn != nil {
		l.conn = nil
		return conn, nil
	}
	<-l.over
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{Net: "unix"} }
