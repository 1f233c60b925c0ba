package rewrite

import (
	"path"

	"github.com/safesock/safesock/policy"
)

// checkpointDelete claims the folder of the host that a checkpoint is removed
// from.
func checkpointDelete(c *call) {
	c.container.Name = c.Vars["name"]
	c.parameter(policy.Privilege{Name: "checkpoint", Value: path.Join(c.query("dir"), c.Vars["checkpoint"])}, "dir")
}
