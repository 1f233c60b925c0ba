# For a machine that a team shares: which users may publish which ports. Users
# and groups are this host's. The kernel reports them for each connection.

port "operators publish where they say" {
  when   = contains(client.groups, "ops") && port.scope != "unset"
  action = "allow"
}

port "alice's demo, until it is over" {
  when    = client.user == "alice" && port.host == "8443" && port.scope == "any"
  action  = "allow"
  expires = "2027-01-01T00:00:00Z"
}

port "everybody else stays on this machine" {
  when    = port.bindable && port.scope != "loopback"
  action  = "bind"
  to      = ["127.0.0.1"]
  message = "ask the group ops if others have to reach it"
}

network "the host's network is for operators" {
  when    = !contains(client.groups, "ops")
  action  = "deny"
  message = "publish the port instead, as in -p 8080:80, or ask the group ops"
}

# Everybody builds, with the Engine's own frontend in the place of Docker's. Any
# other frontend is a program that the client chooses.

privilege "everybody builds" {
  when   = privilege.name == "buildkit"
  action = "allow"
}

privilege "the Engine's own frontend" {
  when = !contains(client.groups, "ops") && privilege.replaceable && anytrue([
    privilege.value == "Dockerfile",
    glob("docker/dockerfile*", privilege.value),
    glob("docker.io/docker/dockerfile*", privilege.value),
  ])
  action = "replace"
}

privilege "privileges are for operators" {
  when    = !contains(client.groups, "ops")
  action  = "deny"
  message = "ask the group ops"
}
