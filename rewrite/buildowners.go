package rewrite

import (
	"strings"

	"github.com/safesock/safesock/policy"
	pb "github.com/safesock/safesock/rewrite/protobuf"
)

// The headers of a gRPC call that name its build, and of a session that name it.
const (
	buildID   = "buildkit-controlapi-buildid"
	sessionID = "X-Docker-Expose-Session-Uuid"
)

// gatewayMessage is the message of a call within a build, which its header names.
func (c *reading) gatewayMessage(name string) *pb.Value {
	c.build.Ref = c.header.Get(buildID)
	c.ownBuilds(buildID)
	return c.message(name)
}

// ownBuild claims a build or a session that somebody else made. No Engine asks whose
// it is (buildkit: control/gateway.lookupForwarder).
func (c *reading) ownBuild(id, field string) {
	if id != "" && !c.world.OwnsBuild(id) {
		c.field(policy.Privilege{Name: "others_build", Value: id}, field, id)
	}
}

// ownBuilds does so for the builds or sessions that a header names.
func (c *reading) ownBuilds(header string) {
	for _, id := range c.header.Values(header) {
		c.ownBuild(id, header)
	}
}

// ownSession claims a session that somebody else made. BuildKit looks for what is
// behind the first colon of its id (buildkit: session.Manager.Get).
func (c *reading) ownSession(id, field string) {
	if _, behind, _ := strings.Cut(id, ":"); behind != "" {
		id = behind
	}
	c.ownBuild(id, field)
}
