//go:build e2e

package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/safesock/safesock/tests/e2e/lab"
)

// buildFiles are what buildCommands build.
const buildFiles = `
-- heredoc/Dockerfile --
FROM web:1
RUN <<END
echo with a heredoc >/built
END
-- secret/Dockerfile --
FROM web:1
RUN --mount=type=secret,id=token sha256sum </run/secrets/token >/built
-- secret/token --
a secret
-- ssh/Dockerfile --
FROM web:1
RUN --mount=type=ssh test -S "$SSH_AUTH_SOCK" && echo an agent >/built
-- cache/Dockerfile --
FROM web:1
RUN --mount=type=cache,target=/cache echo >/cache/x && ls /cache >/built
-- files/Dockerfile --
FROM web:1 AS make
RUN echo a file >/built
FROM scratch
COPY --from=make /built /
-- fails/Dockerfile --
FROM web:1
RUN echo about to fail; exit 9
-- mistake/Dockerfile --
FROM web:1
RUNN true
-- above/Dockerfile --
FROM base
RUN echo above >>/built
-- linked.hcl --
group "default" { targets = ["above"] }
target "base" { context = "heredoc" }
target "above" {
  context  = "above"
  contexts = { base = "target:base" }
  tags     = ["out:1"]
  output   = ["type=docker"]
}
-- linked.yml --
name: linked
services:
  base: { build: heredoc }
  web:
    image: out:1
    build:
      context: above
      additional_contexts: { base: "service:base" }
-- up.yml --
name: up
services:
  web: { build: heredoc, image: "out:1", command: ["true"] }
`

// buildCommands are run without safesock and with it. What they say and leave is
// compared.
var buildCommands = []struct {
	name, command string
	notOn         string // an engine whose client does not have it
	builtin       bool   // ci.hcl refuses it
}{
	{name: "heredoc", command: "buildx build --no-cache --load -t out:1 heredoc && docker run --rm out:1 cat /built"},
	{name: "the docker CLI", command: "DOCKER_BUILDKIT=1 docker build --no-cache -t out:1 heredoc && docker run --rm out:1 cat /built"},
	{name: "secret", command: "buildx build --no-cache --load -t out:1 --secret id=token,src=secret/token secret && docker run --rm out:1 cat /built"},
	{name: "no secret", command: "buildx build --no-cache secret"},
	{name: "ssh", command: "buildx build --no-cache --load -t out:1 --ssh default=key ssh && docker run --rm out:1 cat /built"},
	{name: "cache mount", command: "buildx build --no-cache --load -t out:1 cache && docker run --rm out:1 cat /built"},
	{name: "files", command: "rm -rf out && buildx build --no-cache -o type=local,dest=out files && cat out/built"},
	{name: "archive", command: "buildx build --no-cache -o type=tar,dest=- files | tar xO built"},
	{name: "linked targets", command: "buildx bake --no-cache -f linked.hcl && docker run --rm out:1 cat /built"},
	{name: "linked services", command: "compose2 -f linked.yml build --no-cache && docker run --rm out:1 cat /built", notOn: "26.1"},
	{name: "up", command: "compose2 -f up.yml up --build --no-start; compose2 -f up.yml down"},
	{name: "check", command: "buildx build --call=check heredoc", notOn: "26.1"},
	{name: "a step that fails", command: "buildx build --no-cache fails"},
	{name: "a mistake", command: "buildx build --no-cache mistake"},
	{name: "no image", command: "echo FROM 127.0.0.1:9/missing:1 | buildx build --no-cache -"},
	{name: "two at once", command: "buildx build --no-cache files >/dev/null 2>&1 & buildx build --no-cache -o type=tar,dest=- files 2>/dev/null | tar xO built; wait $!"},
	{name: "du", command: "buildx prune --all --force >/dev/null; buildx du"},
	{name: "prune", command: "buildx prune --all --force >/dev/null; buildx prune --force"},
	{name: "inspect", command: "buildx inspect default | grep -v Last"},
	{name: "history", command: "buildx history ls --format '{{.Status}}' | sort -u", notOn: "26.1", builtin: true},
}

// What differs from build to build: times, digests, sizes and numbers of steps.
var passing = regexp.MustCompile(`^#\d+ |\d+\.\d+s?|\b[0-9a-f]{12,}\b|\d+(\.\d+)?[kMG]?B\b|\b[a-z0-9]{25}\b`)

// Steps that two targets share bear the name of either.
var sharedStep = regexp.MustCompile(`\[\w+ (\d/\d)\]`)

// What is printed or not, or is cut into lines anywhere, as time goes: how far the
// parts of a step have come, whether a base image is cached, and a shell's own words.
var passingLine = regexp.MustCompile(`^…(CACHED|\.\.\.|transferring |exporting |resolve |sending |copying |naming |writing |unpacking )|/bin/sh:|can't open| \.\.\.$|safesock: `)

// said are the lines of an answer, in order: steps run at the same time. Passing
// lines, what is told twice and safesock's own lines are left out.
func said(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = passing.ReplaceAllString(strings.TrimSpace(line), "…")
		line = sharedStep.ReplaceAllString(line, "[$1]")
		if line != "" && !passingLine.MatchString(line) {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// builder is a folder with the files, and the environment of a client.
type builder struct{ tools, dir string }

func newBuilder(t *testing.T, l *lab.Lab) builder {
	t.Helper()
	b := builder{l.Tools(t), filepath.Join(l.Dir, "builds")}
	for _, file := range txtar.Parse([]byte(buildFiles)).Files {
		path := filepath.Join(b.dir, file.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, file.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, "key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b builder) command(socket, command string) *exec.Cmd {
	cmd := exec.Command("bash", "-o", "pipefail", "-c", command)
	cmd.Dir = b.dir
	cmd.Env = []string{"PATH=" + b.tools + ":" + os.Getenv("PATH"), "HOME=/root", "LANG=C.UTF-8", "PWD=" + b.dir,
		"DOCKER_HOST=unix://" + socket, "BUILDX_BUILDER=default", "BUILDKIT_PROGRESS=plain", "COMPOSE_BAKE=true"}
	return cmd
}

// outcome is what comes of a command.
type outcome struct {
	Code int
	Said []string
}

func (b builder) run(t *testing.T, socket, command string) outcome {
	t.Helper()
	cmd := b.command(socket, command)
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), said(string(text))}
}

// buildsUnder runs a test on each engine, with safesock under each policy that
// lets builds pass.
func buildsUnder(t *testing.T, test func(t *testing.T, l *lab.Lab, guard string)) {
	enginesThat(t, func(k lab.Kind) bool { return !k.Podman() && k.Name != "20.10" }, func(t *testing.T, l *lab.Lab) {
		for _, guard := range []string{"builtin", "ci"} {
			t.Run(guard, func(t *testing.T) {
				var flags []string
				if file := guards[guard]; file != "" {
					flags = []string{"--policy", l.CopyPolicy(t, file)}
				}
				safesock := l.Serve(t, flags...)
				test(t, l, guard)
				safesock.Stop(t, syscall.SIGTERM)
			})
		}
	})
}

func TestBuildsAreTheSame(t *testing.T) {
	buildsUnder(t, func(t *testing.T, l *lab.Lab, guard string) {
		b := newBuilder(t, l)
		for _, x := range buildCommands {
			if x.notOn == l.Kind.Name || x.builtin && guard != "builtin" {
				continue
			}
			t.Run(x.name, func(t *testing.T) {
				want := b.run(t, l.Kind.Socket, x.command)
				got := b.run(t, lab.SafesockSocket, x.command)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("-without safesock, +with it:\n%s", diff)
				}
			})
		}
	})
}

// TestABuildEndsWithItsClient interrupts a client whose step would last for hours.
func TestABuildEndsWithItsClient(t *testing.T) {
	buildsUnder(t, func(t *testing.T, l *lab.Lab, guard string) {
		b := newBuilder(t, l)
		steps := func() string {
			out, _ := l.Command("", "pgrep", "-f", "^sleep 9999").Output() // an error means that there is none
			return strings.TrimSpace(string(out))
		}
		var codes []int
		for _, socket := range []string{l.Kind.Socket, lab.SafesockSocket} {
			cmd := b.command(socket, `printf 'FROM web:1\nRUN sleep 9999' | exec buildx build --no-cache -`)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lab.Until(t, "the step runs", func() error {
				if steps() == "" {
					return fmt.Errorf("no process sleeps")
				}
				return nil
			})
			interrupt(t, cmd.Process.Pid)
			_ = cmd.Wait() // it was interrupted
			codes = append(codes, cmd.ProcessState.ExitCode())
			lab.Until(t, "the step has ended", func() error {
				if left := steps(); left != "" {
					return fmt.Errorf("process %s is left", left)
				}
				return nil
			})
		}
		if codes[0] != codes[1] {
			t.Errorf("the exit code is %d, and without safesock %d", codes[1], codes[0])
		}
	})
}

// interrupt sends SIGINT to the last descendants of a process.
func interrupt(t *testing.T, pid int) {
	t.Helper()
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	if len(children) == 0 {
		_ = syscall.Kill(pid, syscall.SIGINT) // it may have ended
	}
	for child := range strings.FieldsSeq(string(children)) {
		n, err := strconv.Atoi(child)
		if err != nil {
			t.Fatal(err)
		}
		interrupt(t, n)
	}
}
