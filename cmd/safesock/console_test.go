package main

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestWhatNobodyReadIsCounted(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "safesock") // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	stderr, full, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := fill(int(full.Fd())); err != nil {
		t.Fatal(err)
	}

	serve := exec.CommandContext(ctx, "safesock", "serve", "--listen", dir+"/s.sock", "--upstream", dir+"/engine.sock", "--audit", "none", "--policy", os.DevNull)
	serve.Env = append(os.Environ(), "NOTIFY_SOCKET="+dir+"/notify")
	serve.Stderr = full
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	full.Close()
	if _, err := systemd.Read(make([]byte, 100)); err != nil { // it is ready, whoever reads
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	var got []string
	for lines.Scan() {
		if lines.Text() == "" {
			continue
		}
		if got = append(got, regexp.MustCompile(`^time=\S+ | upstream=.*`).ReplaceAllString(lines.Text(), "")); len(got) == 1 {
			if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := serve.Wait(); err != nil {
		t.Error(err)
	}
	want := []string{
		`level=WARN msg="waiting for the Engine; calls are answered 502 until it is there"`,
		`safesock: nobody read standard error for a while; messages lost: 1`, // export DOCKER_HOST=…
		`level=INFO msg="stopping, once open calls have ended; again to end now" drain=10s`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
