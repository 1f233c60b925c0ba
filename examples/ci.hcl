# For a CI runner that starts compose files which nobody has read, and for
# clients that may be hostile. This file leaves nothing to the built-in policy:
# what none of its rules decides is denied.

inherit = false

locals {
  # The folder of the checkouts. Jobs may mount paths below this folder. Another
  # folder needs no change here: use --set workspace=/srv/jobs, or a later file.
  workspace = "/home/runner/work"
}


# Ports are for the job itself, which reaches them on 127.0.0.1.

port "loopback only" {
  when   = port.bindable
  action = "bind"
  to     = ["127.0.0.1"]
}

port "nowhere to put an address" {
  action  = "deny"
  message = "swarm publishes on every interface"
}


# Networks: only what the Engine makes for the job.

network "no way around published ports" {
  action  = "deny"
  message = "publish the port instead, as in -p 8080:80"
}


# Paths of the host: the checkouts, the time zone, and safesock's socket in place
# of the Engine's.

mount "the Engine's socket" {
  when   = mount.socket
  action = "replace"
}

mount "the job's folder" {
  when   = !mount.engine && startswith(mount.source, "${local.workspace}/")
  action = "allow"
}

# Many compose files mount the host's time zone. mount.source is where
# /etc/localtime leads: below /usr/share/zoneinfo, or below /etc/zoneinfo as on
# Alpine. On a host without a link it is /etc/localtime itself.
mount "the time zone, to read" {
  when   = mount.read_only && (contains(["/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo"], mount.source) || startswith(mount.source, "/usr/share/zoneinfo/") || startswith(mount.source, "/etc/zoneinfo/"))
  action = "allow"
}

mount "nothing else of the host" {
  action  = "deny"
  message = "jobs may mount what is below ${local.workspace}, and read the time zone"
}


# Privileges, including what swarm, plugins and builds can do. A build by BuildKit
# may do what a build by the classic builder may do. A Dockerfile that names
# another frontend in its #syntax line is built by the Engine's own frontend, as a
# frontend is a program that the client chooses.

privilege "builds by BuildKit" {
  when   = privilege.name == "buildkit"
  action = "allow"
}

privilege "the Engine's own frontend" {
  when = privilege.name == "frontend" && privilege.replaceable && anytrue([
    privilege.value == "Dockerfile",
    glob("docker/dockerfile*", privilege.value),
    glob("docker.io/docker/dockerfile*", privilege.value),
  ])
  action = "replace"
}

privilege "no other program builds" {
  when    = privilege.name == "frontend"
  action  = "deny"
  message = "remove the #syntax line or BUILDKIT_SYNTAX; a docker CLI without buildx builds with DOCKER_BUILDKIT=0"
}

privilege "no BuildKit before Engine 25.0.2" {
  when    = privilege.name == "buildkit_unfixed"
  action  = "deny"
  message = "any Dockerfile can leave its build there (CVE-2024-23651, CVE-2024-23652); update the Engine, or build with DOCKER_BUILDKIT=0"
}

privilege "no container that builds" {
  when    = privilege.name == "privileged" && glob("moby/buildkit:*", container.image)
  action  = "deny"
  message = "jobs run without privileges; build with the Engine's own BuildKit: docker buildx use default, or driver: docker for setup-buildx-action"
}

privilege "none" {
  action  = "deny"
  message = "jobs run without privileges"
}


# Calls.

api "only calls that were reviewed" {
  when    = !call.known
  action  = "deny"
  message = "this safesock does not know the call or its API version; update safesock, or set DOCKER_API_VERSION"
}

# The Engine starts a service's tasks itself, on any node of the swarm: no call
# passes through safesock then, and the paths of mounts are the node's.
api "no services of a swarm" {
  when    = contains(["service.create", "service.update"], call.endpoint)
  action  = "deny"
  message = "run a container instead"
}

api "the rest" {
  action = "allow"
}
