# The built-in policy of safesock, and the reference of its language.
#
# A policy says what a call to the Engine may do to the host. safesock reads
# each call and lists its claims: a port to publish, a network to join, a path
# to mount, a privilege, and the call itself. The first rule of a claim's kind
# whose "when" holds decides the claim.
#
# Your own rules are tried before these, so one rule is a complete policy:
#
#   port "the web server faces the LAN" {
#     when   = compose.service == "web" && port.container == 443
#     action = "bind"
#     to     = ["0.0.0.0"]
#   }
#
# This file decides what your rules leave open. The top of your file may have
#
#   mode    = "observe"   # report what would be done, change and refuse nothing
#   inherit = false       # leave this file out; what no rule decides is denied
#   locals {              # names for what you write more than once: local.databases
#     databases = [5432, 3306, 6379]
#   }                     # a later file, or --set databases=[5432], replaces one
#
# A RULE
#
#   port "its name, for logs and messages" {  # port, network, mount, privilege or api
#     when    = port.scope == "any"      # a condition; without it the rule always holds
#     action  = "bind"                   # see below
#     to      = ["127.0.0.1", "::1"]     # for bind: one or more addresses,
#                                        # or interface("docker0") for that interface's
#     message = "ask ops for a wider one"      # added to what the client is told
#     expires = "2027-01-01T00:00:00Z"   # the rule is skipped from then on
#   }
#
#   allow     leave the claim as it came (the audit log has it)
#   warn      the same, and tell the client
#   deny      refuse the whole call; what no rule decides is denied, too
#   bind      port: publish it on the addresses in "to" instead
#   replace   mount: not the Engine's socket but safesock's own, or with = "/run/other.sock"
#
# WHAT A CONDITION SEES
#
#   port       container (a number), protocol, host ("8080", "8000-8010" or ""), ip,
#              scope ("unset", "any", "loopback" or "address"), bindable
#   network    mode, name, driver, options["key"]
#   mount      source, target, read_only, engine, socket
#   privilege  name, value, replaceable
#              Each only in the rules of its kind. All rules see:
#   call       endpoint ("container.create"), method, path, version, known
#   container  name, image, labels
#   compose    project, service, files, dir; "" if it is not Compose
#   build      ref, frontend, context, dockerfile, target, platforms, tags, exporters, caches,
#              entitlements, push; of a build by BuildKit
#   client     uid, gid, user, groups, pid, command; a name that cannot be looked up denies
#   local      your locals
#
# An attribute without a value is "" or 0. Write lookup(container.labels, "key", "")
# for a label that may be missing. A condition that fails on a call denies it.
#
# Conditions are written in HCL: == != < > && || ! ( ) [ ] a ? b : c, "text",
# numbers, true, false, and functions, among them
#
#   contains([80, 443], port.container)         glob("ghcr.io/acme/**", container.image)
#   cidrcontains("10.0.0.0/8", port.ip)         startswith(mount.source, "/srv/")
#   contains(client.groups, "ops")              can(regex("^web-[0-9]+$", container.name))
#
# "safesock check FILE" finds mistakes, "safesock explain" shows what a compose
# file or a "docker run" would claim. docs/policy.md is the whole reference.


# Ports. Clients that name no address get this host's loopback interface. An
# address that a client names is kept, and logged.

port "nowhere to put an address" {
  # swarm publishes on every interface of every node
  when    = !port.bindable
  action  = "deny"
  message = "this call has no place for a host address and publishes on every interface; to allow that, add a port rule with when = !port.bindable and action = \"allow\" to the policy"
}

port "unset goes to loopback" {
  when   = port.scope == "unset"
  action = "bind"
  to     = ["127.0.0.1"]
}

port "loopback" {
  when   = port.scope == "loopback"
  action = "allow"
}

port "every interface, as asked" {
  when   = port.scope == "any"
  action = "warn"
}

port "one address, as asked" {
  action = "allow"
}


# Networks. Ordinary bridge networks make no claim. These let others reach a
# container without a published port.

network "the host's own" {
  when    = network.mode == "host"
  action  = "warn"
  message = "what listens in the container listens on the host; publish a port instead, as in -p 8080:80"
}

network "any other way in" {
  # macvlan, ipvlan, routed, unprotected, overlay, plugins, …
  action = "warn"
}


# Mounts. A container that asks for the Engine's socket gets safesock's instead,
# and so stays under this policy.

mount "the Engine's socket" {
  when   = mount.socket
  action = "replace"
}

mount "holds an engine's socket" {
  when    = mount.engine
  action  = "warn"
  message = "the container can reach an engine around safesock"
}

mount "any other path" {
  action = "allow"
}


# Privileges: privileged, cap, device, pid, ipc, userns, security_opt, …

privilege "builds by BuildKit" {
  # What their calls ask for makes claims of its own.
  when   = contains(["buildkit", "frontend", "build_history"], privilege.name)
  action = "allow"
}

privilege "builds of others" {
  when    = privilege.name == "others_build"
  action  = "deny"
  message = "another user started this build or session"
}

privilege "told, not refused" {
  action = "warn"
}


# Calls. Every call is one claim of this kind, even if safesock only forwards
# it. So a rule with call.method and call.path is a filter.

api "open" {
  action = "allow"
}
