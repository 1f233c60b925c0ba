# For a runner that starts compose files which nobody has read, for clients
# that may be hostile. Nothing is left to the built-in policy: what no rule
# here decides is denied.

inherit = false

locals {
  # The folder of the checkouts. Jobs may mount what is below it.
  workspace = "/home/runner/work"
}


# Ports are there for the job itself, which reaches them on 127.0.0.1.

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


# Paths of the host: the checkouts, and safesock's socket for who wants the
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


# Privileges: also what swarm, plugins and BuildKit can do. BuildKit's builds
# pass in connections that safesock does not read, and can ask for the host's
# network; those of DOCKER_BUILDKIT=0 are read. A runner whose engine is 25.0.2
# or newer, with "builder": {"entitlements": {"network-host": false}} in its
# daemon.json, can allow BuildKit here.

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

api "the rest" {
  action = "allow"
}
