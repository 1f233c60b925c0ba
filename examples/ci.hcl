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


# Paths of the host: the checkouts, and safesock's socket in place of the
# Engine's.

mount "the Engine's socket" {
  when   = mount.socket
  action = "replace"
}

mount "the job's folder" {
  when   = !mount.engine && startswith(mount.source, "${local.workspace}/")
  action = "allow"
}

mount "nothing else of the host" {
  action  = "deny"
  message = "jobs may mount what is below ${local.workspace}"
}


# Privileges, including what swarm, plugins and BuildKit can do. A build by
# BuildKit runs frontends, which are programs that the client chooses. Frontends
# let steps run without seccomp before Engine 29.6.1 (GHSA-7236-3392-c5c6), and on
# some older Engines they reach the host's files or network. A client can also
# enter the builds of others, with their files and secrets. Nothing in the
# Engine's configuration prevents that, and safesock does not read what a client
# asks of BuildKit. With DOCKER_BUILDKIT=0, a build uses the classic builder,
# whose calls safesock reads.

privilege "no BuildKit" {
  when    = privilege.name == "buildkit"
  action  = "deny"
  message = "build with DOCKER_BUILDKIT=0"
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
