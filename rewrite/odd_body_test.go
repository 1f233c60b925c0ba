package rewrite

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/safesock/safesock/rewrite/jsonedit"
)

// oddBody is a create body of odd keys and values.
func oddBody(r *rand.Rand) string {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	key := func(name string) string {
		switch r.IntN(12) {
		case 0:
			name = strings.ToLower(name)
		case 1:
			name = strings.ToUpper(name)
		case 2:
			name = strings.NewReplacer("s", "ſ", "k", "\u212a").Replace(name)
		case 3:
			return fmt.Sprintf(`"\u%04x%s"`, name[0], name[1:])
		}
		return jsonedit.Quote(name)
	}
	list := func(n int, of func() string) string {
		var all []string
		for range r.IntN(n) {
			all = append(all, of())
		}
		return pick("[", " [ ") + strings.Join(all, pick(",", " , ")) + "]"
	}
	object := func(fields ...func() (string, string)) string {
		var all []string
		for _, field := range fields {
			if r.IntN(3) == 0 {
				continue
			}
			name, text := field()
			if r.IntN(12) == 0 {
				text = pick("null", text, text, "{}", "[]", `""`)
			}
			all = append(all, key(name)+pick(":", " : ")+text)
		}
		if r.IntN(40) == 0 && len(all) > 0 {
			all = append(all, all[0])
		}
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		return "{" + strings.Join(all, ",") + pick("", " ") + "}"
	}
	field := func(name string, of func() string) func() (string, string) {
		return func() (string, string) { return name, of() }
	}
	of := func(texts ...string) func() string {
		return func() string { return jsonedit.Quote(pick(texts...)) }
	}
	flag := func() string { return pick("true", "false", "null") }
	binding := func() string {
		return pick("null", "{}", object(
			field("HostIp", of("", "0.0.0.0", "::", "localhost", "127.0.0.1", "::ffff:7f00:1", "::1", "127.0.0.1%lo", "192.0.2.1", "127.0.0.01", "::1%lo")),
			field("HostPort", of("", "0", "80", "8000-8010", "080")),
		))
	}
	ports := func(of func() string) func() string {
		return func() string {
			var all []string
			names := []string{"80/tcp", "80", "53/udp", "81/TCP", "082/tcp", "83/"}
			for range r.IntN(4) {
				i := r.IntN(len(names))
				all = append(all, jsonedit.Quote(names[i])+":"+of())
				if r.IntN(20) > 0 {
					names = slices.Delete(names, i, i+1)
				}
			}
			return "{" + strings.Join(all, ",") + "}"
		}
	}
	target := of("/x", "/x:ro", "")
	options := func() string {
		return object(field("o", of("bind", "size=1")), field("device", of("/srv", "/run/docker.sock", "tmpfs")), field("type", of("none", "tmpfs", "nfs")))
	}
	mounts := func() string {
		return object(field("Type", of("bind", "volume", "tmpfs", "bind")), field("Source", of("/srv", "/run/docker.sock", "etc", "", "/run")), field("Target", target),
			field("VolumeOptions", func() string {
				return object(field("DriverConfig", func() string {
					return object(field("Name", of("", "local", "rexray")), field("Options", options))
				}))
			}))
	}
	joined := of("host", "", "private", "container:box", "container:gone")
	host := []func() (string, string){
		field("PortBindings", ports(func() string { return pick("null", list(4, binding), list(4, binding)) })),
		field("PublishAllPorts", flag),
		field("NetworkMode", of("host", "default", "lan", "container:box", "container:gone", "1a4", "Host", "")),
		field("Binds", func() string {
			return list(4, of("/srv:/srv", "/run/docker.sock:/s:ro", "etc:/e", "//etc:/x", "/anon"))
		}),
		field("Mounts", func() string { return list(3, mounts) }),
		field("VolumesFrom", func() string { return list(3, of("box:ro", "gone")) }),
		field("Privileged", flag),
		field("CapAdd", func() string { return pick(`"SYS_ADMIN"`, list(3, of("all", "cap_sys_admin", "CHOWN", ""))) }),
		field("Devices", func() string {
			return list(3, func() string { return object(field("PathOnHost", of("/dev/fuse", ""))) })
		}),
		field("DeviceCgroupRules", func() string { return list(2, of("a *:* rwm", "")) }),
		field("DeviceRequests", func() string {
			return list(2, func() string { return object(field("DeviceIDs", func() string { return list(2, of("v/c=n")) })) })
		}),
		field("PidMode", joined), field("IpcMode", joined), field("UTSMode", joined), field("UsernsMode", joined), field("CgroupnsMode", joined),
		field("SecurityOpt", func() string { return list(3, of("seccomp=unconfined", "no-new-privileges", "apparmor=unconfined")) }),
		field("Runtime", of("", "runc", "kata")),
		field("Annotations", func() string { return pick("null", "{}", `{"a":"b","a ":"c"}`) }),
		field("VolumeDriver", of("", "local", "rexray")),
		field("Cgroup", of("", "container:x")),
		field("CgroupParent", of("", "/x")),
		field("Memory", func() string { return pick("0", "9007199254740993") }),
	}
	top := []func() (string, string){
		field("Image", of("web", "gone", "")),
		field("ExposedPorts", ports(func() string { return "{}" })),
		field("WorkingDir", of("", "/proc/self/fd/7", "/srv")),
		field("Labels", func() string { return pick("null", `{"a":"b"}`, `{"desktop.docker.io/ports/80/tcp":":80"}`) }),
		field("NetworkingConfig", func() string {
			return object(field("EndpointsConfig", func() string {
				return pick("null", "{"+jsonedit.Quote(pick("lan", "default", "host"))+":"+pick("null", object(field("NetworkID", of("", "1a4"))))+"}")
			}))
		}),
	}
	switch r.IntN(4) {
	case 0:
		top = append(top, host...)
	case 1:
		top = append(top, host...)
		top = append(top, field("HostConfig", func() string { return pick("null", object(host...)) }))
	default:
		top = append(top, field("HostConfig", func() string { return object(host...) }))
	}
	return object(top...)
}
