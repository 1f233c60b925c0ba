package clients

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/go-connections/nat"
	"github.com/spf13/pflag"
)

// runLine holds the options of docker run that can make claims.
type runLine struct {
	name, platform, gpus         string
	publish, expose              []string
	volumes, mounts              []string
	networks, devices            []string
	labels, annotations, sysctls []string
	useAPISocket                 bool
	body                         createBody
}

// The options that make no claims. They have to be known, because the word after an
// option with a value is not the image.
var (
	runSwitches = []string{
		"detach,d", "disable-content-trust", "help", "init", "interactive,i", "no-healthcheck", "oom-kill-disable",
		"quiet,q", "read-only", "rm", "sig-proxy", "tty,t", "tls-verify", "replace",
	}
	runValues = []string{
		"add-host", "attach,a", "blkio-weight", "blkio-weight-device", "cap-drop", "cidfile", "cpu-count", "cpu-percent",
		"cpu-period", "cpu-quota", "cpu-rt-period", "cpu-rt-runtime", "cpu-shares,c", "cpus", "cpuset-cpus", "cpuset-mems",
		"detach-keys", "device-read-bps", "device-read-iops", "device-write-bps", "device-write-iops", "dns", "dns-opt",
		"dns-option", "dns-search", "domainname", "entrypoint", "env,e", "env-file", "group-add", "health-cmd",
		"health-interval", "health-retries", "health-start-interval", "health-start-period", "health-timeout",
		"hostname,h", "io-maxbandwidth", "io-maxiops", "ip", "ip6", "isolation", "kernel-memory", "label-file", "link",
		"link-local-ip", "log-driver", "log-opt", "mac-address", "memory,m", "memory-reservation", "memory-swap",
		"memory-swappiness", "network-alias", "net-alias", "oom-score-adj", "pids-limit", "pull", "restart", "shm-size",
		"stop-signal", "stop-timeout", "storage-opt", "tmpfs", "ulimit", "user,u",
	}
)

// Run returns the call that a docker run or docker create line makes. The error
// of an option that docker run does not have is a *pflag.NotExistError.
func (l *Line) Run() (Call, error) {
	command := l.words
	if len(command) > 0 && command[0] == "container" {
		command = command[1:]
	}
	if len(command) == 0 || command[0] != "run" && command[0] != "create" {
		return Call{}, fmt.Errorf("only lines of run, create and compose up can be explained, not %q", l.short())
	}
	line := runLine{body: createBody{Labels: map[string]string{}, ExposedPorts: nat.PortSet{}}}
	flags := line.flags()
	if err := flags.Parse(command[1:]); err != nil {
		return Call{}, err
	}
	if flags.NArg() == 0 {
		return Call{}, errors.New("the line names no image")
	}
	line.body.Image = flags.Arg(0)
	if err := line.fill(); err != nil {
		return Call{}, err
	}
	query := url.Values{}
	if line.name != "" {
		query.Set("name", line.name)
	}
	if line.platform != "" {
		query.Set("platform", line.platform)
	}
	return callTo("container.create", query, encode(line.body)), nil
}

// flags returns the options of docker run. Parsing stops at the image.
func (r *runLine) flags() *pflag.FlagSet {
	f := flagSet()
	ignore(f, runSwitches, runValues)
	host := &r.body.HostConfig
	f.StringVar(&r.name, "name", "", "")
	f.StringVar(&r.platform, "platform", "", "")
	f.StringVarP(&r.body.WorkingDir, "workdir", "w", "", "")
	f.StringVar(&host.VolumeDriver, "volume-driver", "", "")
	f.StringArrayVarP(&r.publish, "publish", "p", nil, "")
	f.BoolVarP(&host.PublishAllPorts, "publish-all", "P", false, "")
	f.StringArrayVar(&r.expose, "expose", nil, "")
	f.StringArrayVarP(&r.volumes, "volume", "v", nil, "")
	f.StringArrayVar(&r.mounts, "mount", nil, "")
	f.BoolVar(&r.useAPISocket, "use-api-socket", false, "")
	f.StringArrayVar(&host.VolumesFrom, "volumes-from", nil, "")
	f.StringArrayVar(&r.networks, "network", nil, "")
	f.StringArrayVar(&r.networks, "net", nil, "")
	f.StringArrayVar(&r.devices, "device", nil, "")
	f.StringArrayVar(&host.DeviceCgroupRules, "device-cgroup-rule", nil, "")
	f.StringVar(&r.gpus, "gpus", "", "")
	f.StringArrayVarP(&r.labels, "label", "l", nil, "")
	f.StringArrayVar(&r.annotations, "annotation", nil, "")
	f.StringArrayVar(&r.sysctls, "sysctl", nil, "")
	f.BoolVar(&host.Privileged, "privileged", false, "")
	f.StringArrayVar(&host.CapAdd, "cap-add", nil, "")
	f.StringVar(&host.PidMode, "pid", "", "")
	f.StringVar(&host.IpcMode, "ipc", "", "")
	f.StringVar(&host.UTSMode, "uts", "", "")
	f.StringVar(&host.UsernsMode, "userns", "", "")
	f.StringVar(&host.CgroupnsMode, "cgroupns", "", "")
	f.StringVar(&host.CgroupParent, "cgroup-parent", "", "")
	f.StringArrayVar(&host.SecurityOpt, "security-opt", nil, "")
	f.StringVar(&host.Runtime, "runtime", "", "")
	return f
}

// fill adds to the body the options that docker sends in another form.
func (r *runLine) fill() error {
	host := &r.body.HostConfig
	exposed, bindings, err := nat.ParsePortSpecs(r.publish)
	if err != nil {
		return fmt.Errorf("--publish: %w", err)
	}
	for port := range exposed {
		r.body.ExposedPorts[port] = struct{}{}
	}
	host.PortBindings = bindings
	for _, each := range r.expose {
		number, protocol, _ := strings.Cut(each, "/")
		first, last, err := nat.ParsePortRange(number)
		if err != nil {
			return fmt.Errorf("--expose %s: %w", each, err)
		}
		for port := first; port <= last; port++ {
			r.body.ExposedPorts[nat.Port(fmt.Sprintf("%d/%s", port, orTCP(protocol)))] = struct{}{}
		}
	}
	for _, each := range r.volumes {
		source, rest, found := strings.Cut(each, ":")
		if !found {
			continue // an anonymous volume
		}
		if strings.HasPrefix(source, ".") {
			if source, err = filepath.Abs(source); err != nil {
				return err
			}
		}
		host.Binds = append(host.Binds, source+":"+rest)
	}
	for _, each := range r.mounts {
		parsed, err := parseMount(each)
		if err != nil {
			return fmt.Errorf("--mount %s: %w", each, err)
		}
		host.Mounts = append(host.Mounts, parsed)
	}
	if r.useAPISocket {
		host.Mounts = append(host.Mounts, mount.Mount{Type: mount.TypeBind, Source: "/var/run/docker.sock", Target: "/var/run/docker.sock"})
	}
	for _, each := range r.devices {
		host.Devices = append(host.Devices, parseDevice(each))
	}
	if r.gpus != "" {
		host.DeviceRequests = []container.DeviceRequest{{Count: -1, Capabilities: [][]string{{"gpu"}}}}
	}
	keyValues(r.labels, &r.body.Labels)
	keyValues(r.annotations, &host.Annotations)
	keyValues(r.sysctls, &host.Sysctls)
	return r.attach()
}

// attach adds the networks to the body.
func (r *runLine) attach() error {
	host := &r.body.HostConfig
	for i, each := range r.networks {
		name, end := each, endpoint{}
		if strings.Contains(each, "=") {
			fields, err := csv.NewReader(strings.NewReader(each)).Read()
			if err != nil {
				return fmt.Errorf("--network %s: %w", each, err)
			}
			for _, field := range fields {
				switch key, value, _ := strings.Cut(field, "="); key {
				case "name":
					name = value
				case "driver-opt":
					option, setting, _ := strings.Cut(value, "=")
					if end.DriverOpts == nil {
						end.DriverOpts = map[string]string{}
					}
					end.DriverOpts[option] = setting
				}
			}
		}
		if i == 0 {
			host.NetworkMode = name
		}
		if i > 0 || len(r.networks) > 1 || end.DriverOpts != nil {
			if r.body.NetworkingConfig == nil {
				r.body.NetworkingConfig = &networking{EndpointsConfig: map[string]endpoint{}}
			}
			r.body.NetworkingConfig.EndpointsConfig[name] = end
		}
	}
	return nil
}

// parseMount reads the value of --mount, as in type=bind,src=/a,dst=/b,ro.
func parseMount(text string) (mount.Mount, error) {
	m := mount.Mount{Type: mount.TypeVolume}
	fields, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return m, err
	}
	for _, field := range fields {
		key, value, found := strings.Cut(field, "=")
		switch strings.ToLower(key) {
		case "type":
			m.Type = mount.Type(strings.ToLower(value))
		case "source", "src":
			m.Source = value
			if strings.HasPrefix(value, ".") {
				if m.Source, err = filepath.Abs(value); err != nil {
					return m, err
				}
			}
		case "target", "dst", "destination":
			m.Target = value
		case "readonly", "ro":
			m.ReadOnly = !found || value == "true" || value == "1"
		case "bind-propagation":
			m.BindOptions = &mount.BindOptions{Propagation: mount.Propagation(value)}
		case "volume-driver":
			driver(&m).Name = value
		case "volume-opt":
			option, setting, _ := strings.Cut(value, "=")
			if driver(&m).Options == nil {
				driver(&m).Options = map[string]string{}
			}
			driver(&m).Options[option] = setting
		}
	}
	return m, nil
}

// driver returns a mount's volume driver, which it makes if there is none.
func driver(m *mount.Mount) *mount.Driver {
	if m.VolumeOptions == nil {
		m.VolumeOptions = &mount.VolumeOptions{DriverConfig: &mount.Driver{}}
	}
	return m.VolumeOptions.DriverConfig
}

// parseDevice reads the value of --device, as in /dev/a:/dev/b:rwm.
func parseDevice(text string) container.DeviceMapping {
	parts := strings.SplitN(text, ":", 3)
	device := container.DeviceMapping{PathOnHost: parts[0], PathInContainer: parts[0], CgroupPermissions: "rwm"}
	if len(parts) > 1 {
		device.PathInContainer = parts[1]
	}
	if len(parts) > 2 {
		device.CgroupPermissions = parts[2]
	}
	return device
}

func keyValues(pairs []string, into *map[string]string) {
	for _, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		if *into == nil {
			*into = map[string]string{}
		}
		(*into)[key] = value
	}
}
