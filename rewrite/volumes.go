package rewrite

import "github.com/safesock/safesock/policy"

// volumeCreate claims what a volume's driver mounts into the containers that
// use it.
func volumeCreate(c *call) error {
	volume := c.body()
	c.volumeOptions(volume.field("Driver"), volume.field("DriverOpts"), "", false)
	if cluster := volume.field("ClusterVolumeSpec"); !cluster.absent() {
		c.claim(policy.Privilege{Name: "volume_driver", Value: "cluster"}, cluster)
	}
	return nil
}
