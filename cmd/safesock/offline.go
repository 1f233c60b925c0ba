package main

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/proxy"
	"github.com/safesock/safesock/rewrite"
)

// request is one call that a client would make.
type request struct {
	Service string // of a compose file; "" for a call of its own
	Method  string
	Target  string
	Body    []byte
	place   func(rewrite.Outcome) place // where a claim stands in what was given; nil if nowhere
}

// place is a line of a file.
type place struct {
	File string `json:"file"`
	Line int    `json:"line"`
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// answer is what would become of a request.
type answer struct {
	request
	match   rewrite.Match
	result  rewrite.Result
	refusal *rewrite.Refusal // nil if the call would be forwarded
}

// endpoint names the call, "" if it is not one that safesock intercepts.
func (a *answer) endpoint() string {
	if a.match.Endpoint == nil {
		return ""
	}
	return a.match.Endpoint.Name
}

// itself is what the policy says of the call itself.
func (a *answer) itself(p *policy.Policy, o *offline) policy.Decision {
	return p.Decide(&policy.Call{
		Endpoint: a.endpoint(), Method: a.match.Method, Path: a.match.Path, Version: a.match.Version, Known: a.match.Known,
		Container: a.result.Container, Compose: a.result.Compose,
		Client: o.client, Time: o.time, Interface: o.interfaces,
	}, policy.API{})
}

// placeOf is where a claim stands in what was given, nil if nowhere.
func (a *answer) placeOf(o rewrite.Outcome) *place {
	if a.place == nil {
		return nil
	}
	found := a.place(o)
	if found == (place{}) {
		return nil
	}
	return &found
}

// offline answers for the Engine and the host where there is neither.
type offline struct {
	engine     map[string][]byte // answers of the Engine by path, as in "/images/web:1/json"
	image      []byte            // answer for every image, nil if none is known
	client     policy.Client
	time       time.Time
	path       func(path string) (resolved string, exists bool)
	interfaces func(name string) ([]netip.Addr, error)

	unknown []string // what Apply asked for and engine has not
}

// examplePort stands for the free port that safesock would find.
const examplePort = 32768

// apply decides a request as serve would.
func (o *offline) apply(p *policy.Policy, r request) (answer, error) {
	target, err := url.ParseRequestURI(r.Target)
	if err != nil {
		return answer{}, err
	}
	got := answer{request: r}
	if got.match, err = rewrite.Route(r.Method, target); err != nil {
		return got.refused(err)
	}
	call := rewrite.Call{
		Match:     got.match,
		URL:       target,
		Body:      r.Body,
		Client:    o.client,
		Time:      o.time,
		Interface: o.interfaces,
		Upstream:  "/run/docker.sock",
		Listen:    "/run/safesock/docker.sock",
		Answers:   map[rewrite.Question]rewrite.Answer{},
	}
	for {
		got.result, err = rewrite.Apply(p, call)
		if len(got.result.Ask) == 0 {
			return got.refused(err)
		}
		before := len(call.Answers)
		for _, question := range got.result.Ask {
			call.Answers[question] = o.answer(question)
		}
		if len(call.Answers) == before {
			return answer{}, fmt.Errorf("%s %s: the same question is asked twice: %v", r.Method, r.Target, got.result.Ask)
		}
	}
}

// refused fills in the refusal that err is, if it is one.
func (a answer) refused(err error) (answer, error) {
	if refusal, ok := err.(*rewrite.Refusal); ok {
		a.refusal = refusal
		return a, nil
	}
	return a, err
}

func (o *offline) answer(q rewrite.Question) rewrite.Answer {
	switch q.About {
	case rewrite.AboutEngine:
		path, _, _ := strings.Cut(q.Name, "?")
		if body, ok := o.engine[path]; ok {
			return rewrite.Answer{Status: 200, Body: body, Docker: true, Exists: true}
		}
		if o.image != nil && strings.HasPrefix(path, "/images/") {
			return rewrite.Answer{Status: 200, Body: o.image, Exists: true}
		}
		if !slices.Contains(o.unknown, path) {
			o.unknown = append(o.unknown, path)
		}
		if path == "/version" {
			return rewrite.Answer{Status: 200, Body: oldest, Exists: true}
		}
		return rewrite.Answer{Status: 404, Body: []byte(`{"message":"not known here"}`)}
	case rewrite.AboutPath:
		path, exists := o.path(q.Name)
		return rewrite.Answer{Path: path, Exists: exists}
	case rewrite.AboutBridge:
		return rewrite.Answer{}
	case rewrite.AboutInterface:
		addresses, err := o.interfaces(q.Name)
		return rewrite.Answer{Exists: err == nil && len(addresses) > 0}
	case rewrite.AboutPort:
		return rewrite.Answer{Port: examplePort, Exists: true}
	}
	return rewrite.Answer{Err: fmt.Sprintf("%s is a question that only an Engine can answer", q.About)}
}

// oldest is the version of an Engine that is not known: it is taken for one
// without the firewall and the checks of later ones.
var oldest = []byte(`{"Version":"0","ApiVersion":"0","Components":[]}`)

// hostPath resolves a path on this host.
func hostPath(path string) (string, bool) {
	_, err := os.Stat(path)
	return resolve(path), err == nil
}

// hostInterface gives the addresses of an interface of this host.
func hostInterface(name string) ([]netip.Addr, error) {
	found, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	listed, err := found.Addrs()
	if err != nil {
		return nil, err
	}
	var addresses []netip.Addr
	for _, each := range listed {
		prefix, err := netip.ParsePrefix(each.String())
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, prefix.Addr().Unmap())
	}
	return addresses, nil
}

// clientNamed is a client of the user with this name, or of the one who runs
// this command if it is "". Like serve, it looks up what a rule asks for.
func clientNamed(name string) (policy.Client, error) {
	uid, gid := os.Getuid(), os.Getgid()
	gids, err := os.Getgroups()
	if name != "" {
		uid, gid, gids, err = userNamed(name)
	}
	return policy.Client{
		UID: uid, GID: gid, PID: os.Getpid(),
		User:    func() (string, error) { return proxy.UserName(uid) },
		Groups:  func() ([]string, error) { return proxy.GroupNames(append([]int{gid}, gids...)...) },
		Command: policy.Known("docker"),
	}, err
}

// userNamed are the numbers that a process of a user gets when it logs in.
func userNamed(name string) (uid, gid int, gids []int, err error) {
	found, err := user.Lookup(name)
	if err != nil {
		return 0, 0, nil, err
	}
	groups, err := found.GroupIds()
	for _, number := range append([]string{found.Uid, found.Gid}, groups...) {
		id, wrong := strconv.Atoi(number)
		err = cmp.Or(err, wrong)
		gids = append(gids, id)
	}
	return gids[0], gids[1], gids[2:], err
}
