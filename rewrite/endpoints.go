package rewrite

import "github.com/gorilla/mux"

// Endpoint is one intercepted route of the Engine's API.
type Endpoint struct {
	Method string
	Path   string // gorilla/mux pattern without the version, as moby writes it
	Name   string // for rules and logs, as in "container.create"
	read   reader
	Traits Traits
}

// Traits say how an endpoint's bytes are moved.
type Traits uint8

const (
	Streams  Traits = 1 << iota // the request's body is not read, because it can be endless
	Upgrades                    // a 101 makes the connection a raw stream
	HTTP2                       // a 101 makes the connection HTTP/2, with calls of its own
	Hijacks                     // a 200 does so, too, as for attach and exec start without an Upgrade header
	Warns                       // the answer has a place for warnings
	GRPC                        // the call is gRPC
)

// Endpoints are the routes that safesock intercepts. The first row that matches a
// call counts.
var Endpoints = []Endpoint{
	{"POST", "/containers/create", "container.create", containerCreate, Warns},
	{"POST", "/containers/{name:.*}/start", "container.start", containerStart, 0},
	{"POST", "/containers/{name:.*}/restart", "container.restart", containerRestart, 0},
	{"POST", "/containers/{name:.*}/update", "container.update", containerUpdate, Warns},
	{"POST", "/containers/{name:.*}/exec", "container.exec", containerExec, 0},
	{"POST", "/containers/{name:.*}/attach", "container.attach", containerAttach, Streams | Upgrades | Hijacks},
	{"GET", "/containers/{name:.*}/attach/ws", "container.attach", containerAttach, Streams | Upgrades},
	{"GET", "/containers/{name:.*}/archive", "container.archive", containerEnter, 0},
	{"PUT", "/containers/{name:.*}/archive", "container.archive", containerEnter, Streams},
	{"POST", "/containers/{name:.*}/checkpoints", "container.checkpoint", containerCheckpoint, 0},
	{"POST", "/exec/{id:.*}/start", "exec.start", execStart, Streams | Upgrades | Hijacks},
	{"POST", "/containers/{name:.*}/copy", "container.copy", containerEnter, 0}, // gone with API 1.24
	{"DELETE", "/containers/{name}/checkpoints/{checkpoint}", "container.checkpoint", containerCheckpointDelete, 0},
	{"POST", "/commit", "container.commit", containerCommit, 0},

	{"POST", "/networks/create", "network.create", networkCreate, 0},
	{"POST", "/networks/{id:.*}/connect", "network.connect", networkConnect, 0},
	{"POST", "/networks/{id:.*}/disconnect", "network.disconnect", networkDisconnect, 0},

	{"POST", "/volumes/create", "volume.create", volumeCreate, 0},

	{"POST", "/build", "image.build", build, Streams},
	{"POST", "/images/create", "image.create", imageCreate, Streams},
	{"POST", "/images/{name:.*}/push", "image.push", imagePush, Streams}, // Podman can push to a file of the host
	{"POST", "/session", "session", session, Streams | Upgrades},
	{"POST", "/grpc", "grpc", grants("buildkit", "grpc"), Streams | Upgrades | HTTP2},

	{"POST", "/plugins/pull", "plugin.pull", pluginPull, 0},
	{"POST", "/plugins/create", "plugin.create", pluginCreate, Streams},
	{"POST", "/plugins/{name:.*}/upgrade", "plugin.upgrade", pluginPull, 0},
	{"POST", "/plugins/{name:.*}/enable", "plugin.enable", pluginEnable, 0},
	{"POST", "/plugins/{name:.*}/set", "plugin.set", pluginSet, 0},

	{"POST", "/swarm/init", "swarm.init", swarmInit, 0},
	{"POST", "/swarm/join", "swarm.join", swarmJoin, 0},
	{"POST", "/swarm/update", "swarm.update", grants("swarm", "update"), 0},
	{"POST", "/swarm/unlock", "swarm.unlock", grants("swarm", "unlock"), 0},
	{"GET", "/swarm", "swarm.inspect", grants("swarm", "join tokens"), 0}, // whoever has a join token can join as a manager
	{"GET", "/swarm/unlockkey", "swarm.unlockkey", grants("swarm", "unlock key"), 0},
	{"POST", "/nodes/{id}/update", "node.update", grants("swarm", "node"), 0}, // can make the node a manager
	{"POST", "/services/create", "service.create", serviceCreate, Warns},
	{"POST", "/services/{id}/update", "service.update", serviceUpdate, Warns},
	{"POST", "/secrets/create", "secret.create", secretCreate, 0},
	{"POST", "/secrets/{id}/update", "secret.update", nil, Streams}, // only labels can change
	{"POST", "/configs/create", "config.create", nil, Streams},      // a file for services that say so
	{"POST", "/configs/{id}/update", "config.update", nil, Streams}, // only labels can change

	{"POST", "/libpod/containers/create", "libpod.container.create", libpodSpec, Warns},
	{"POST", "/libpod/containers/{name:.*}/start", "libpod.container.start", containerStart, 0},
	{"POST", "/libpod/containers/{name:.*}/init", "libpod.container.init", containerStart, 0}, // opens the ports, too
	{"POST", "/libpod/containers/{name:.*}/restart", "libpod.container.restart", containerRestart, 0},
	{"POST", "/libpod/containers/{name:.*}/update", "libpod.container.update", containerUpdate, 0},
	{"POST", "/libpod/containers/{name:.*}/exec", "libpod.container.exec", containerExec, 0},
	{"POST", "/libpod/containers/{name:.*}/attach", "libpod.container.attach", containerAttach, Streams | Upgrades | Hijacks},
	{"GET", "/libpod/containers/{name:.*}/archive", "libpod.container.archive", containerEnter, 0},
	{"PUT", "/libpod/containers/{name:.*}/archive", "libpod.container.archive", containerEnter, Streams},
	{"POST", "/libpod/containers/{name:.*}/checkpoint", "libpod.container.checkpoint", grants("checkpoint", ""), 0},
	{"POST", "/libpod/containers/{name:.*}/restore", "libpod.container.restore", opaque("restore"), Streams},
	{"POST", "/libpod/containers/{name:.*}/mount", "libpod.container.mount", grants("libpod", "mount"), 0}, // on the host
	{"POST", "/libpod/exec/{id:.*}/start", "libpod.exec.start", execStart, Streams | Upgrades | Hijacks},
	{"POST", "/libpod/pods/create", "libpod.pod.create", libpodSpec, 0},
	{"POST", "/libpod/pods/{name:.*}/start", "libpod.pod.start", libpodPodStart, 0},
	{"POST", "/libpod/pods/{name:.*}/restart", "libpod.pod.restart", libpodPodStart, 0},
	{"POST", "/libpod/play/kube", "libpod.kube.play", opaque("kube play"), Streams},
	{"POST", "/libpod/kube/play", "libpod.kube.play", opaque("kube play"), Streams},
	{"POST", "/libpod/kube/apply", "libpod.kube.apply", grants("libpod", "kube apply"), Streams}, // to a cluster, with the host's access to it
	{"POST", "/libpod/quadlets", "libpod.quadlet.install", opaque("quadlet"), Streams},
	{"POST", "/libpod/networks/create", "libpod.network.create", libpodNetworkCreate, 0},
	{"POST", "/libpod/networks/{id:.*}/connect", "libpod.network.connect", networkConnect, 0},
	{"POST", "/libpod/networks/{id:.*}/disconnect", "libpod.network.disconnect", networkDisconnect, 0},
	{"POST", "/libpod/volumes/create", "libpod.volume.create", volumeCreate, 0},
	{"POST", "/libpod/volumes/{name:.*}/import", "libpod.volume.import", libpodVolume, Streams},
	{"GET", "/libpod/volumes/{name:.*}/export", "libpod.volume.export", libpodVolume, 0},
	{"POST", "/libpod/secrets/create", "libpod.secret.create", libpodSecretCreate, Streams},
	{"POST", "/libpod/build", "libpod.image.build", build, Streams},
	{"POST", "/libpod/local/build", "libpod.image.build", build, Streams},
	{"POST", "/libpod/local/images/load", "libpod.image.load", libpodPath("path"), 0},
	{"POST", "/libpod/artifacts/local/add", "libpod.artifact.add", libpodPath("path"), 0},
	{"POST", "/libpod/images/import", "libpod.image.import", libpodImport, Streams},
	{"POST", "/libpod/images/scp/{name:.*}", "libpod.image.scp", grants("libpod", "scp"), 0},                      // to other users and hosts, with the host's keys
	{"POST", "/libpod/manifests/create", "libpod.manifest.create", grants("libpod", "manifest"), Streams},         // of images that may be files of the host
	{"POST", "/libpod/manifests/{name:.*}/add", "libpod.manifest.modify", grants("libpod", "manifest"), Streams},  // the same
	{"PUT", "/libpod/manifests/{name:.*}", "libpod.manifest.modify", grants("libpod", "manifest"), Streams},       // the same
	{"POST", "/libpod/manifests/{name:.*}/push", "libpod.manifest.create", grants("libpod", "manifest"), Streams}, // a push before Podman 4, a name since
	{"POST", "/libpod/manifests/{name:.*}/registry/{destination:.*}", "libpod.manifest.push", nil, Streams},       // Podman refuses other transports here
	{"POST", "/libpod/manifests/{name:.*}", "libpod.manifest.create", grants("libpod", "manifest"), Streams},

	// gRPC, over POST /grpc, and since Engine 29 on the socket itself (moby:
	// daemon/command/httphandler.go).
	{"POST", "/moby.buildkit.v1.Control/Solve", "buildkit.solve", buildkitCall(buildkitSolve), GRPC},
	{"POST", "/moby.buildkit.v1.Control/Status", "buildkit.status", buildkitCall(buildkitStatus), GRPC},
	{"POST", "/moby.buildkit.v1.Control/Session", "buildkit.session", buildkitCall(buildkitSession), GRPC | Streams},
	{"POST", "/moby.buildkit.v1.Control/ListenBuildHistory", "buildkit.history", buildkitCall(buildkitHistory), GRPC},
	{"POST", "/moby.buildkit.v1.Control/UpdateBuildHistory", "buildkit.history.update", buildkitCall(buildkitUpdateHistory), GRPC},
	{"POST", "/moby.buildkit.v1.Control/ListWorkers", "buildkit.workers", buildkitCall(nil), GRPC | Streams},
	{"POST", "/moby.buildkit.v1.Control/Info", "buildkit.info", buildkitCall(nil), GRPC | Streams},
	{"POST", "/moby.buildkit.v1.Control/DiskUsage", "buildkit.du", buildkitCall(nil), GRPC | Streams}, // as /system/df tells it
	{"POST", "/moby.buildkit.v1.Control/Prune", "buildkit.prune", buildkitCall(nil), GRPC | Streams},  // as /build/prune does it
	{"POST", "/moby.buildkit.v1.frontend.LLBBridge/Solve", "buildkit.frontend.solve", buildkitCall(gatewaySolve), GRPC},
	{"POST", "/moby.buildkit.v1.frontend.LLBBridge/Return", "buildkit.frontend.return", buildkitCall(gatewayReturn), GRPC},
	{"POST", "/moby.buildkit.v1.frontend.LLBBridge/ResolveImageConfig", "buildkit.frontend.image", buildkitCall(gatewayResolveImage), GRPC},
	{"POST", "/moby.buildkit.v1.frontend.LLBBridge/ResolveSourceMeta", "buildkit.frontend.source", buildkitCall(gatewayResolveSource), GRPC},
	{"POST", "/moby.buildkit.v1.frontend.LLBBridge/{method:Ping|Inputs|Evaluate|Warn}", "buildkit.frontend", buildkitCall(gatewayCall), GRPC | Streams},
	{"POST", "/moby.buildkit.v1.frontend.LLBBridge/{method:ReadFile|ReadDir|StatFile}", "buildkit.frontend.file", buildkitCall(gatewayCall), GRPC | Streams},
	{"POST", "/moby.buildkit.v1.frontend.LLBBridge/{method:NewContainer|ReleaseContainer|ExecProcess|ReadFileContainer|ReadDirContainer|StatFileContainer}", "buildkit.frontend.exec", buildkitCall(gatewayContainer), GRPC | Streams},
	{"POST", "/containerd.services.content.v1.Content/{method:Info|Read}", "buildkit.content", buildkitCall(nil), GRPC | Streams}, // by its digest
	{"POST", "/containerd.services.content.v1.Content/List", "buildkit.content.list", buildkitCall(imageContents), GRPC | Streams},
	{"POST", "/opentelemetry.proto.collector.trace.v1.TraceService/Export", "buildkit.trace", buildkitCall(nil), GRPC | Streams},
	{"POST", `/{service:(?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*}/{method:\w+}`, "grpc.call", buildkitCall(unreadCall), GRPC | Streams},
}

// Request returns the method and the path of a call to the first endpoint with a
// name. The variables of the path are pairs of name and value. It panics if there
// is no such endpoint or variable.
func Request(name string, variables ...string) (method, path string) {
	e := endpoint(name)
	target, err := mux.NewRouter().NewRoute().Path(e.Path).URLPath(variables...)
	if err != nil {
		panic(err)
	}
	return e.Method, target.EscapedPath()
}

// endpoint returns the first row of Endpoints with a name.
func endpoint(name string) *Endpoint {
	for i := range Endpoints {
		if Endpoints[i].Name == name {
			return &Endpoints[i]
		}
	}
	panic("no endpoint is named " + name)
}
