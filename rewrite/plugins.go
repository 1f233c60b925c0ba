package rewrite

import (
	"strings"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
)

// Plugins run as root. Their configuration can give them the host's network, mounts
// and devices.

// pluginPull claims a plugin, and each privilege that the client grants it. Upgrades
// have the same form.
func pluginPull(c *reading) {
	c.parameter(policy.Privilege{Name: "plugin", Value: c.query("remote")}, "remote")
	for privilege := range c.json().Items() {
		name := privilege.Field("Name").Text()
		for item := range privilege.Field("Value").Items() {
			c.claim(policy.Privilege{Name: "plugin_" + strings.NewReplacer(" ", "_", "-", "_").Replace(name), Value: item.Text()}, item)
		}
	}
}

// pluginCreate claims a plugin that the body contains.
func pluginCreate(c *reading) {
	c.parameter(policy.Privilege{Name: "plugin", Value: c.query("name")}, "name")
}

// pluginEnable claims a plugin that the Engine has.
func pluginEnable(c *reading) {
	c.claim(policy.Privilege{Name: "plugin", Value: c.vars["name"]}, jsonedit.Value{})
}

// pluginSet claims the settings of a plugin, which can change its mounts and
// devices, as in "mydevice.path=/dev/sda".
func pluginSet(c *reading) {
	for setting := range c.json().Items() {
		c.claim(policy.Privilege{Name: "plugin", Value: c.vars["name"] + " " + setting.Text()}, setting)
	}
}
