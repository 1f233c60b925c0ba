package rewrite

import "github.com/safesock/safesock/policy"

// volumeCreate claims what a volume's driver mounts into the containers that
// use it. Podman's own API has the options in Options.
func volumeCreate(c *call) {
	volume := c.body()
	for _, options := range []string{"DriverOpts", "Options"} {
		c.volumeOptions(value{}, volume.field(options), "", false)
	}
	c.volumeOptions(volume.field("Driver"), value{}, "", false)
	if cluster := volume.field("ClusterVolumeSpec"); !cluster.absent() {
		c.claim(policy.Privilege{Name: "volume_driver", Value: "cluster"}, cluster)
	}
}
