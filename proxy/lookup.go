package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safesock/safesock/rewrite"
)

// answer finds out what a call has to know of the Engine or the host, besides
// what is known. The host is the one that safesock runs on, in the namespaces
// that it runs in.
func (s *Server) answer(q rewrite.Question, known map[rewrite.Question]rewrite.Answer) rewrite.Answer {
	var a rewrite.Answer
	var err error
	switch q.About {
	case rewrite.AboutEngine:
		a, err = s.inspect(q.Name)
	case rewrite.AboutPath:
		a.Path, a.Exists, err = resolve(q.Name)
		var guarded bool
		if a.Exists {
			guarded, err = sameFile(a.Path, s.guarded)
		}
		if guarded {
			a.Path = s.guarded
		}
	case rewrite.AboutInterface:
		a.Exists, err = hasInterface(sysNet, q.Name)
	case rewrite.AboutBridge:
		a.Exists, err = hasForeignPorts(sysNet, q.Name)
	case rewrite.AboutPort:
		a.Port, err = freePort(q.Name, known)
	default:
		err = fmt.Errorf("nobody knows about %q", q.About)
	}
	if err != nil {
		a.Err = err.Error()
	}
	return a
}

// maxInspect bounds what is read of an Engine's answer to safesock's own
// questions.
const maxInspect = 16 << 20

// engineClient asks the Engine what safesock itself has to know, on
// connections that no client's bytes ever see.
func engineClient(upstream string) *http.Client {
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "unix", upstream)
			},
			MaxIdleConns:       2,
			IdleConnTimeout:    5 * time.Second,
			DisableCompression: true,
		},
	}
}

func (s *Server) inspect(path string) (rewrite.Answer, error) {
	answer, err := s.engine.Get("http://localhost" + path)
	if err != nil {
		return rewrite.Answer{}, fmt.Errorf("cannot ask the Engine: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxInspect+1))
	if err == nil && len(body) > maxInspect {
		err = fmt.Errorf("the Engine's answer to GET %s is longer than %d bytes", path, maxInspect)
	}
	docker := strings.HasPrefix(answer.Header.Get("Server"), "Docker/")
	return rewrite.Answer{Status: answer.StatusCode, Body: body, Docker: docker}, err
}

// sameFile tells whether two paths lead to one file, as hard links do, and the
// root of a process. What is not there is no file.
func sameFile(a, b string) (bool, error) {
	one, err := os.Stat(a)
	if err == nil {
		var other fs.FileInfo
		other, err = os.Stat(b)
		if err == nil {
			return os.SameFile(one, other), nil
		}
	}
	return false, unlessMissing(err)
}

// unlessMissing is the error of a look-up, nil if it is that there is no such
// thing.
func unlessMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// maxLinks is how many symbolic links of one path are followed: as many as the
// kernel would.
const maxLinks = 40

// resolve follows the symbolic links of an absolute path. What does not exist
// yet is kept as it is written, below the last folder that does. So is what
// lies behind a link of /proc that leads into a process: the kernel does not
// follow that by its text, and looks for what comes next in another root.
func resolve(path string) (resolved string, exists bool, err error) {
	done, rest := "/", filepath.Clean(path)
	for links := 0; ; {
		next, behind, _ := strings.Cut(strings.TrimLeft(rest, "/"), "/")
		if next == "" {
			return done, true, nil
		}
		at := filepath.Join(done, next)
		info, err := os.Lstat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return filepath.Join(at, behind), false, nil
		case err != nil:
			return "", false, err
		case info.Mode().Type() != fs.ModeSymlink:
			done, rest = at, behind
			continue
		}
		target, err := os.Readlink(at)
		if err != nil {
			return "", false, err
		}
		enters, err := entersProcess(done, target)
		if err != nil {
			return "", false, err
		}
		if enters {
			at = filepath.Join(at, behind)
			_, err := os.Stat(at)
			return at, err == nil, unlessMissing(err)
		}
		if links++; links > maxLinks {
			return "", false, &fs.PathError{Op: "resolve", Path: path, Err: unix.ELOOP}
		}
		if filepath.IsAbs(target) {
			done = "/"
		}
		rest = target + "/" + behind
	}
}

// entersProcess tells whether a link in a folder is one of /proc/PID/root, cwd,
// exe, fd and the like, whose target only looks like a path. The others of
// /proc, as self and mounts, have a relative one.
func entersProcess(folder, target string) (bool, error) {
	var system unix.Statfs_t
	if err := unix.Statfs(folder, &system); err != nil {
		return false, &fs.PathError{Op: "statfs", Path: folder, Err: err}
	}
	return system.Type == unix.PROC_SUPER_MAGIC && !ordinaryProcLink.MatchString(target), nil
}

var ordinaryProcLink = regexp.MustCompile(`^(self|[0-9]+)(/[a-z0-9]+)*$`)

// sysNet holds a folder for each of the host's network interfaces.
const sysNet = "/sys/class/net"

// hasInterface tells whether there is an interface in a folder like sysNet.
func hasInterface(sysNet, name string) (bool, error) {
	_, err := os.Stat(filepath.Join(sysNet, filepath.Base(name)))
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(sysNet) // a host without a /sys does not show what it has
		return false, err
	}
	return err == nil, err
}

// hasForeignPorts tells whether a bridge in a folder like sysNet has ports
// other than the virtual ones that engines make for containers.
func hasForeignPorts(sysNet, bridge string) (bool, error) {
	ports, err := os.ReadDir(filepath.Join(sysNet, filepath.Base(bridge), "brif"))
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(sysNet)
		return false, err
	}
	for _, port := range ports {
		if !strings.HasPrefix(port.Name(), "veth") {
			return true, nil
		}
	}
	return false, err
}

// portQuery is what a question about a free port says, as in
// "tcp 127.0.0.1 ::1 8000-8010 #2".
type portQuery struct {
	protocol    string
	addrs       []netip.Addr
	first, last int // 0 if any port will do
}

func parsePortQuery(name string) (q portQuery, err error) {
	for i, word := range strings.Fields(name) {
		switch {
		case i == 0:
			q.protocol = word
		case word[0] == '#': // the caller sees to it that ports differ
		case strings.Contains(word, "-"):
			_, err = fmt.Sscanf(word, "%d-%d", &q.first, &q.last)
		default:
			var addr netip.Addr
			addr, err = netip.ParseAddr(word)
			q.addrs = append(q.addrs, addr)
		}
		if err != nil {
			return portQuery{}, err
		}
	}
	return q, nil
}

// freePort finds a port that is free on every address asked for and is not an
// answer that the same call has had.
func freePort(name string, answers map[rewrite.Question]rewrite.Answer) (int, error) {
	q, err := parsePortQuery(name)
	if err != nil {
		return 0, err
	}
	taken := map[int]bool{}
	for asked, answer := range answers {
		if asked.About == rewrite.AboutPort {
			taken[answer.Port] = true
		}
	}
	if q.first > 0 {
		for port := q.first; port <= q.last; port++ {
			if _, err := q.open(port); err == nil && !taken[port] {
				return port, nil
			}
		}
		return 0, fmt.Errorf("no port of %s is free", name)
	}
	for range 64 {
		var port int
		if port, err = q.open(0); err == nil && !taken[port] {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no port is free for %s: %w", name, err)
}

// open listens on all addresses for a moment, on a free port if port is 0, and
// tells which it was.
func (q portQuery) open(port int) (int, error) {
	for _, addr := range q.addrs {
		at := netip.AddrPortFrom(addr, uint16(port))
		version := "4"
		if addr.Is6() {
			version = "6"
		}
		if q.protocol == "udp" {
			l, err := net.ListenUDP("udp"+version, net.UDPAddrFromAddrPort(at))
			if err != nil {
				return 0, err
			}
			defer l.Close()
			port = l.LocalAddr().(*net.UDPAddr).Port
			continue
		}
		// SCTP ports are counted as TCP's: few hosts have sockets to ask with.
		l, err := net.ListenTCP("tcp"+version, net.TCPAddrFromAddrPort(at))
		if err != nil {
			return 0, err
		}
		defer l.Close()
		port = l.Addr().(*net.TCPAddr).Port
	}
	return port, nil
}

// interfaceAddrs gives the addresses of one of the host's interfaces.
func interfaceAddrs(name string) ([]netip.Addr, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	nets, err := i.Addrs()
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for _, n := range nets {
		prefix, err := netip.ParsePrefix(n.String())
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, prefix.Addr())
	}
	return addrs, nil
}
