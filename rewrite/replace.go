package rewrite

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// replacement is where the socket is that a decision mounts instead of the
// Engine's.
func (c *reading) replacement(d policy.Decision) resolution {
	if d.With == "" || d.With == c.listen {
		return resolution{path: c.listen}
	}
	return c.resolved(d.With)
}

// unfit says why a socket cannot be mounted instead of the Engine's, "" if it can
// be. Engines make a folder of a path that is not there.
func (c *reading) unfit(socket resolution) string {
	switch {
	case socket.missing:
		return "there is no " + socket.path + " to mount instead"
	case socket.unseen != "" && !socket.elsewhere:
		return "safesock cannot see where " + socket.path + " leads, which would be mounted instead (" + socket.unseen + ")"
	case inRun(socket.path) == inRun(c.upstream):
		return "what would be mounted instead is the Engine's socket, too"
	}
	return ""
}

// socketText is the JSON text of the socket that a decision mounts.
func (c *reading) socketText(d policy.Decision) string {
	return jsonedit.Quote(cmp.Or(d.With, c.listen))
}

// groupAdvice says what a container that is not root needs in order to use a
// socket. It is "" if the socket has the same group as the Engine's, which such
// containers have been given, or if safesock does not see the two.
func (c *reading) groupAdvice(socket resolution) string {
	engines, engineErr := c.world.GroupOf(c.upstream)
	own, err := c.world.GroupOf(socket.path)
	if engineErr != nil || err != nil || own == engines {
		return ""
	}
	return fmt.Sprintf("the socket's group is %d, that of the Engine's socket %d; a container that is not root needs --group-add %d, or group_add in a compose file", own, engines, own)
}

// possible is a decision, or its refusal if the socket that it mounts instead of
// the Engine's cannot be used.
func (c *reading) possible(decision policy.Decision) policy.Decision {
	if decision.Action != policy.Replace {
		return decision
	}
	if problem := c.unfit(c.replacement(decision)); problem != "" {
		decision.Action, decision.Reason = policy.Deny, problem
	}
	return decision
}

// inRun is a path without the link that /var/run is on every Linux system.
func inRun(path string) string {
	if below, found := strings.CutPrefix(path, "/var/run/"); found {
		return "/run/" + below
	}
	return path
}
