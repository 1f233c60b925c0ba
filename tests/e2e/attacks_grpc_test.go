//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	_ "github.com/moby/buildkit/api/services/control" // registers its service
	_ "github.com/moby/buildkit/frontend/gateway/pb"  // registers its service
	llb "github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// theirUID is the uid of a client who is not the attacker.
const theirUID = 1234

// grpcClient connects to BuildKit's services over an upgrade, as the user.
func (r *replay) grpcClient(t *testing.T, uid int, upgrade string) *http.Client {
	t.Helper()
	conn, err := asUser(uid, func() (*net.UnixConn, error) { return r.lab.Dial(r.socket) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	reader := bufio.NewReader(conn)
	if _, err := io.WriteString(conn, "POST "+upgrade+" HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(reader, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("POST %s: %v (%v)", upgrade, answer, err)
	}
	transport := &http.Transport{
		Protocols:   new(http.Protocols),
		DialContext: func(context.Context, string, string) (net.Conn, error) { return upgraded{conn, reader}, nil },
	}
	transport.Protocols.SetUnencryptedHTTP2(true)
	engine, err := transport.NewClientConn(t.Context(), "http", "engine:80")
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Transport: engine}
}

// upgraded is a connection of which the first bytes may have been read.
type upgraded struct {
	net.Conn
	reader *bufio.Reader
}

func (u upgraded) Read(p []byte) (int, error) { return u.reader.Read(p) }

// asUser connects as another user would: the kernel tells the server the
// effective uid that the thread has now. The thread keeps root's capabilities.
func asUser(uid int, connect func() (*net.UnixConn, error)) (*net.UnixConn, error) {
	runtime.LockOSThread() // of this thread alone the uid is another
	header, capabilities := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, [2]unix.CapUserData{}
	if err := unix.Capget(&header, &capabilities[0]); err != nil {
		return nil, err
	}
	const keep = ^uintptr(0)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, keep, uintptr(uid), keep); errno != 0 {
		return nil, errno
	}
	if err := unix.Capset(&header, &capabilities[0]); err != nil {
		return nil, err // the thread stays locked, and ends with its goroutine
	}
	conn, err := connect()
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, keep, 0, keep); errno != 0 {
		return nil, errno
	}
	runtime.UnlockOSThread()
	return conn, err
}

var fieldLine = regexp.MustCompile(`^[A-Za-z-]+: `)

// call makes one gRPC call, and keeps what comes of it. The body is the
// request's message in JSON, or a body as it is sent.
func (r *replay) call(t *testing.T, engine *http.Client, text string) {
	t.Helper()
	line, body, _ := strings.Cut(text, "\n")
	method, target, _ := strings.Cut(strings.TrimSpace(line), " ")
	header := http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}}
	for fieldLine.MatchString(body) {
		field, behind, _ := strings.Cut(body, "\n")
		name, value, _ := strings.Cut(field, ": ")
		header[http.CanonicalHeaderKey(name)] = append(header[http.CanonicalHeaderKey(name)], value)
		if name == "Content-Type" {
			header["Content-Type"] = []string{value}
		}
		body = behind
	}
	if strings.HasPrefix(body, "{") {
		body = framed(message(t, target, body))
	}
	path, query, _ := strings.Cut(target, "?")
	ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
	defer cancel()
	call := &http.Request{Method: method, Host: "engine", Header: header, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
		URL: &url.URL{Scheme: "http", Host: "engine", Opaque: path, RawQuery: query}}
	res, err := engine.Do(call.WithContext(ctx))
	if err != nil {
		r.got(line + ": " + err.Error())
		return
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	status, reason := res.Header.Get("Grpc-Status")+res.Trailer.Get("Grpc-Status"), res.Header.Get("Grpc-Message")+res.Trailer.Get("Grpc-Message")
	if text, err := url.PathUnescape(reason); err == nil { // or it is text with a percent sign
		reason = text
	}
	r.got(fmt.Sprintf("%s: %s %q %v\nGrpc-Status: %s\n%s", line, res.Status, answer, err, status, reason))
}

// framed is a message with gRPC's head.
func framed(message string) string {
	return string(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))) + message
}

// message is the request of a method, from JSON.
func message(t *testing.T, target, text string) string {
	t.Helper()
	path, err := url.PathUnescape(target)
	if err != nil {
		t.Fatal(err)
	}
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	service, method := parts[len(parts)-2], parts[len(parts)-1]
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		t.Fatalf("%s: %v", service, err)
	}
	request, err := protoregistry.GlobalTypes.FindMessageByName(found.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(method)).Input().FullName())
	if err != nil {
		t.Fatal(err)
	}
	var parsed any
	if err := json.Unmarshal([]byte(text), &parsed); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	encoded, err := json.Marshal(withSteps(t, parsed))
	if err != nil {
		t.Fatal(err)
	}
	m := request.New().Interface()
	if err := protojson.Unmarshal(encoded, m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return string(marshal(t, m))
}

func marshal(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// withSteps encodes the steps in a definition. A step names another as "#0",
// which becomes its digest.
func withSteps(t *testing.T, v any) any {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if steps, ok := value.([]any); ok && key == "def" {
				v["metadata"] = encodeSteps(t, steps)
			} else {
				v[key] = withSteps(t, value)
			}
		}
	case []any:
		for i := range v {
			v[i] = withSteps(t, v[i])
		}
	}
	return v
}

// encodeSteps does so, and returns a definition's metadata, which has each step.
func encodeSteps(t *testing.T, steps []any) map[string]any {
	t.Helper()
	var digests []string
	metadata := map[string]any{}
	for i, step := range steps {
		text, err := json.Marshal(withSteps(t, step))
		if err != nil {
			t.Fatal(err)
		}
		for n, d := range digests {
			text = []byte(strings.ReplaceAll(string(text), `"#`+strconv.Itoa(n)+`"`, strconv.Quote(d)))
		}
		op := &llb.Op{}
		if err := protojson.Unmarshal(text, op); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		encoded := marshal(t, op)
		steps[i], digests = encoded, append(digests, digest.FromBytes(encoded).String())
		metadata[digests[i]] = map[string]any{}
	}
	return metadata
}

// definition is a definition as a file holds it, in base64.
func definition(t *testing.T, text string) string {
	t.Helper()
	var parsed map[string]any
	if err := json.Unmarshal([]byte(text), &parsed); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	encoded, err := json.Marshal(withSteps(t, parsed))
	if err != nil {
		t.Fatal(err)
	}
	d := &llb.Definition{}
	if err := protojson.Unmarshal(encoded, d); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return base64.StdEncoding.EncodeToString(marshal(t, d))
}
