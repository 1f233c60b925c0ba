package rewrite

import (
	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// volumeCreate claims what a volume's driver mounts. In Podman's own API, the
// options are in Options.
func volumeCreate(c *reading) {
	volume := c.body()
	for _, options := range []string{"DriverOpts", "Options"} {
		c.volumeOptions(jsonedit.Value{}, volume.Field(options), "", false)
	}
	c.volumeOptions(volume.Field("Driver"), jsonedit.Value{}, "", false)
	if cluster := volume.Field("ClusterVolumeSpec"); !cluster.Absent() {
		c.claim(policy.Privilege{Name: "volume_driver", Value: "cluster"}, cluster)
	}
}
