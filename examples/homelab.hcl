# For a home server. A reverse proxy faces the LAN, in a Compose project of its
# own. Everything behind the proxy stays on the machine, above all databases.
#
# The proxy's project is named "edge" here. Anybody who may use Docker here can
# give a project this name: this policy is against mistakes, not malice.

locals {
  databases = [1433, 3306, 5432, 6379, 9200, 11211, 27017]
  lan       = ["192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "fd00::/8"]
}

port "databases never leave this machine" {
  when   = port.bindable && contains(local.databases, port.container) && port.scope != "loopback"
  action = "bind"
  to     = ["127.0.0.1"]
}

port "the edge project faces the LAN" {
  when   = compose.project == "edge" && contains([80, 443], port.container) && contains(["unset", "any"], port.scope)
  action = "bind"
  to     = ["0.0.0.0", "::"]
}

port "an address of the LAN, as asked" {
  when   = anytrue([for network in local.lan : cidrcontains(network, port.ip)])
  action = "allow"
}

port "not on every interface" {
  when    = port.scope == "any"
  action  = "deny"
  message = "only the edge project faces the LAN; put the service behind it, or name an address of the LAN, as in -p 192.168.1.10:8080:80"
}

network "no host network" {
  when    = network.mode == "host"
  action  = "deny"
  message = "publish the ports instead, as in -p 8080:80"
}
