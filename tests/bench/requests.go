//go:build linux

package main

import (
	"bytes"
	"fmt"
	"strings"
)

// createBody is what docker run sends: that many bytes, and that many ports
// published without an address.
func createBody(size, ports int) []byte {
	var exposed, bindings bytes.Buffer
	for i := range ports {
		if i > 0 {
			exposed.WriteByte(',')
			bindings.WriteByte(',')
		}
		fmt.Fprintf(&exposed, `"%d/tcp":{}`, 80+i)
		fmt.Fprintf(&bindings, `"%d/tcp":[{"HostIp":"","HostPort":"%d"}]`, 80+i, 8080+i)
	}
	const form = `{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":true,"AttachStderr":true,` +
		`"ExposedPorts":{%s},"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":["PADDING=%s"],"Cmd":null,"Image":"web:1",` +
		`"Volumes":{},"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{},` +
		`"HostConfig":{"Binds":null,"ContainerIDFile":"","LogConfig":{"Type":"","Config":{}},"NetworkMode":"default","PortBindings":{%s},` +
		`"RestartPolicy":{"Name":"no","MaximumRetryCount":0},"AutoRemove":false,"VolumeDriver":"","VolumesFrom":null,"ConsoleSize":[0,0],` +
		`"CapAdd":null,"CapDrop":null,"CgroupnsMode":"","Dns":[],"DnsOptions":[],"DnsSearch":[],"ExtraHosts":null,"GroupAdd":null,` +
		`"IpcMode":"","Cgroup":"","Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,` +
		`"ReadonlyRootfs":false,"SecurityOpt":null,"UTSMode":"","UsernsMode":"","ShmSize":0,"Isolation":"","CpuShares":0,"Memory":0,` +
		`"NanoCpus":0,"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":[],"BlkioDeviceReadBps":[],"BlkioDeviceWriteBps":[],` +
		`"BlkioDeviceReadIOps":[],"BlkioDeviceWriteIOps":[],"CpuPeriod":0,"CpuQuota":0,"CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,` +
		`"CpusetCpus":"","CpusetMems":"","Devices":[],"DeviceCgroupRules":null,"DeviceRequests":null,"MemoryReservation":0,` +
		`"MemorySwap":0,"MemorySwappiness":-1,"OomKillDisable":false,"PidsLimit":0,"Ulimits":[],"CpuCount":0,"CpuPercent":0,` +
		`"IOMaximumIOps":0,"IOMaximumBandwidth":0,"MaskedPaths":null,"ReadonlyPaths":null},` +
		`"NetworkingConfig":{"EndpointsConfig":{"default":{"IPAMConfig":null,"Links":null,"Aliases":null,"DriverOpts":null,` +
		`"GwPriority":0,"NetworkID":"","EndpointID":"","Gateway":"","IPAddress":"","MacAddress":"","IPPrefixLen":0,"IPv6Gateway":"",` +
		`"GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"DNSNames":null}}}}` + "\n"
	padding := max(0, size-len(fmt.Sprintf(form, &exposed, "", &bindings)))
	return fmt.Appendf(nil, form, &exposed, strings.Repeat("x", padding), &bindings)
}
