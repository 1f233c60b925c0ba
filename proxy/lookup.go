package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/safesock/safesock/rewrite"
)

// answer finds out what a call has to know of the Engine or the host. The host
// is the one that safesock runs on, in the namespaces that it runs in.
func (s *Server) answer(q rewrite.Question) rewrite.Answer {
	var a rewrite.Answer
	var err error
	switch q.About {
	case rewrite.AboutEngine:
		a, err = s.inspect(q.Name)
	case rewrite.AboutPath:
		a.Path, a.Exists, err = resolve(q.Name)
	case rewrite.AboutInterface:
		_, err := os.Stat("/sys/class/net/" + filepath.Base(q.Name))
		a.Exists = err == nil
	case rewrite.AboutPort:
		a.Port, err = freePort(q.Name)
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
	return rewrite.Answer{Status: answer.StatusCode, Body: body}, err
}

// resolve follows the symbolic links of an absolute path. What does not exist
// yet is kept as it is written, below the last folder that does.
func resolve(path string) (resolved string, exists bool, err error) {
	path = filepath.Clean(path)
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		return real, true, nil
	}
	if !os.IsNotExist(err) || path == "/" {
		return "", false, err
	}
	parent, _, err := resolve(filepath.Dir(path))
	return filepath.Join(parent, filepath.Base(path)), false, err
}

// freePort finds a port that is free on every address, as in
// "tcp 127.0.0.1 ::1".
func freePort(query string) (port int, err error) {
	network, rest, _ := strings.Cut(query, " ")
	addrs := strings.Fields(rest)
	for range 32 {
		port = 0
		var open []io.Closer
		for _, addr := range addrs {
			var l io.Closer
			l, port, err = openPort(network, addr, port)
			if err != nil {
				break
			}
			open = append(open, l)
		}
		for _, l := range open {
			l.Close()
		}
		if err == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no port is free on all of %s: %w", rest, err)
}

// openPort listens on a port, any if it is 0. SCTP ports are counted as TCP's:
// the kernel cannot be asked without a socket that few hosts have.
func openPort(network, addr string, port int) (io.Closer, int, error) {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, 0, err
	}
	at := netip.AddrPortFrom(ip, uint16(port))
	if network == "udp" {
		l, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			return nil, 0, err
		}
		return l, l.LocalAddr().(*net.UDPAddr).Port, nil
	}
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, 0, err
	}
	return l, l.Addr().(*net.TCPAddr).Port, nil
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
