//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// containerID is what every create answers.
const containerID = "4c01db0b339c5e3f1b5a0f6f9f3c1a7d8e2b6c4d5a9f8e7c6b5a4d3e2f1c0b9a"

// block is how much a handler of the Engine, or a client, moves at a time.
const block = 32 << 10

// serveEngine is the stub engine: it answers what the measures ask with the
// server that the Engine uses, and without the Engine's work. Containers,
// images and networks that a relay looks up exist.
func serveEngine(path string) error {
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	routes := http.NewServeMux()
	for pattern, handle := range map[string]http.HandlerFunc{
		"GET /_ping":                     text("text/plain; charset=utf-8", "OK"),
		"GET /version":                   text("application/json", `{"Version":"28.5.2","ApiVersion":"1.51","Components":[]}`),
		"POST /containers/create":        create,
		"GET /images/{name}/get":         save,
		"POST /containers/{name}/attach": attachContainer,
		"POST /containers/{name}/start":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"GET /containers/{name}/json":    text("application/json", `{"Id":"`+containerID+`","Name":"/web","State":{"Status":"running"},"Config":{"Image":"web:1"},"HostConfig":{"NetworkMode":"bridge"},"Mounts":[],"NetworkSettings":{"Networks":{}}}`),
		"GET /images/{name}/json":        text("application/json", `{"Id":"sha256:`+containerID+`","Config":{"ExposedPorts":{"80/tcp":{}}}}`),
		"GET /networks/{name}":           text("application/json", `{"Id":"`+containerID+`","Name":"bridge","Driver":"bridge"}`),
		"POST /images/load":              load,
		"GET /events":                    events,
	} {
		routes.HandleFunc(pattern, handle)
	}
	go obey(nil)
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Api-Version", "1.51")
		h.Set("Docker-Experimental", "false")
		h.Set("Ostype", "linux")
		h.Set("Server", "Docker/28.5.2 (linux)")
		r.URL.Path = strings.TrimPrefix(r.URL.Path, apiVersion)
		routes.ServeHTTP(w, r)
	}))
}

func text(kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		io.WriteString(w, body)
	}
}

func create(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return // the client went away
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	io.WriteString(w, `{"Id":"`+containerID+`","Warnings":[]}`+"\n")
}

// save sends ?bytes=N, with their length or, as the Engine does, in chunks.
func save(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-tar")
	if r.URL.Query().Has("length") {
		w.Header().Set("Content-Length", r.URL.Query().Get("bytes"))
	}
	sendZeros(w, wanted(r))
}

func load(w http.ResponseWriter, r *http.Request) {
	size, err := readAway(r.Body)
	if err != nil {
		return // the client went away
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"stream":"Loaded %d bytes"}`+"\n", size)
}

// events sends one, and then nothing until the client goes away.
func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"Type":"container","Action":"start"}`+"\n")
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

// attachContainer becomes the raw stream of a container in which ?run= is at
// work: "source" sends ?bytes=N, "sink" reads as many and sends "ok", "echo"
// sends back what comes until that ends.
func attachContainer(w http.ResponseWriter, r *http.Request) {
	c, early, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	fmt.Fprint(c, "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
	switch r.URL.Query().Get("run") {
	case "source":
		sendZeros(c, wanted(r))
	case "sink":
		readAway(io.LimitReader(c, wanted(r)))
		io.WriteString(c, "ok")
	default:
		sendBack(c, early.Reader)
	}
}

// sendBack is io.Copy without its ways to leave the data in the kernel, which
// no process in a container has.
func sendBack(c net.Conn, from *bufio.Reader) {
	b := make([]byte, 4<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}

func wanted(r *http.Request) int64 {
	n, _ := strconv.ParseInt(r.URL.Query().Get("bytes"), 10, 64)
	return n
}

var zeros [block]byte

func sendZeros(w io.Writer, n int64) error {
	for n > 0 {
		sent, err := w.Write(zeros[:min(n, block)])
		if err != nil {
			return err
		}
		n -= int64(sent)
	}
	return nil
}

// readAway reads to the end and tells how many bytes there were.
func readAway(r io.Reader) (int64, error) {
	b := make([]byte, block)
	for size := int64(0); ; {
		n, err := r.Read(b)
		size += int64(n)
		if err == io.EOF {
			return size, nil
		}
		if err != nil {
			return size, err
		}
	}
}
