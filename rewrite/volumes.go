package rewrite

import (
	"github.com/safesock/safesock/policy"
)

// volumeCreate claims what a volume's driver mounts. In Podman's own API, the
// options are in Options.
func volumeCreate(c *reading) {
	volume := c.body()
	driver := volume.Field("Driver")
	c.volumeOptions(driver, volume.Field("DriverOpts"), "", false)
	if options := volume.Field("Options"); !options.Absent() {
		c.volumeOptions(driver, options, "", false)
	}
	if cluster := volume.Field("ClusterVolumeSpec"); !cluster.Absent() {
		c.claim(policy.Privilege{Name: "volume_driver", Value: "cluster"}, cluster)
	}
}
