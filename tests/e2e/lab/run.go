//go:build e2e

package lab

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// Run is a folder for everything that one run of the tests makes. It is seen
// at the same path on the host and on every machine.
var Run string

// runs is where the folder of each run is, and the lock that it holds while it lasts.
const runs = "/tmp"

// Main runs the tests of a package that uses labs. It builds the programs
// that they need, and removes what earlier runs left when they were killed.
func Main(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if os.Getuid() != 0 {
		return 1, fmt.Errorf("run these tests as root: they make network namespaces and start engines")
	}
	if err := parallel(labs); err != nil {
		return 1, err
	}
	sweep()
	Run, err = os.MkdirTemp(runs, fmt.Sprintf("safesock-e2e-%d-", os.Getpid()))
	if err != nil {
		return 1, err
	}
	defer func() {
		for _, dir := range cgroupDirs(cgroupParent()) {
			removeCgroup(dir)
		}
	}()
	defer os.RemoveAll(Run)
	if err := os.Chmod(Run, 0o755); err != nil { // clients that are not root look in
		return 1, err
	}
	if err := buildPrograms(); err != nil {
		return 1, err
	}
	if err := makeImage(); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// labs is how many there are at a time: their engines mostly wait.
const labs = 4

// parallel sets how many tests run at a time, unless the command line did.
func parallel(n int) error {
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" })
	if said {
		return nil
	}
	return flag.Set("test.parallel", strconv.Itoa(max(n, runtime.GOMAXPROCS(0))))
}

// sweep removes the folders and cgroups of runs that are over.
func sweep() {
	left, _ := filepath.Glob(runs + "/safesock-e2e-*-*")
	for _, dir := range left {
		pid, _, _ := strings.Cut(strings.TrimPrefix(dir, runs+"/safesock-e2e-"), "-")
		if _, err := os.Stat("/proc/" + pid); err != nil {
			os.RemoveAll(dir)
		}
	}
	for _, dir := range cgroupDirs(cgroupPrefix + "*") {
		pid := strings.TrimPrefix(filepath.Base(dir), cgroupPrefix)
		if _, err := os.Stat("/proc/" + pid); err != nil {
			removeCgroup(dir)
		}
	}
}

// programs are the packages of this module's commands that tests run. They are
// built with the build tags of $SAFESOCK_E2E_TAGS as well.
var programs = []string{"./cmd/safesock", "./tests/e2e/web"}

func buildPrograms() error {
	root, err := output("go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return err
	}
	for _, pkg := range programs {
		cmd := exec.Command("go", "build", "-tags", "e2e,"+os.Getenv("SAFESOCK_E2E_TAGS"), "-o", filepath.Join(Run, "bin", filepath.Base(pkg)), pkg)
		cmd.Dir = strings.TrimSpace(root)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // every Debian, and an empty image, can run it
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %v\n%s", cmd, err, out)
		}
	}
	return nil
}

func output(name string, args ...string) (string, error) {
	var stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %v\n%s", cmd, err, &stderr)
	}
	return string(out), nil
}
