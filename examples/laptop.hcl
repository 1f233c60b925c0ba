# For a developer's machine. Ports without an address stay on the machine, and
# databases stay there even if a compose file asks for more. Other containers
# still reach these ports, but not databases, through host.docker.internal
# (--add-host host.docker.internal:host-gateway), which is the address of
# Docker's own bridge. Other hosts do not reach them.
#
# What these rules leave open, the built-in policy decides.

locals {
  databases = [1433, 3306, 5432, 6379, 9200, 11211, 27017]
}

port "databases never leave this machine" {
  when    = port.bindable && contains(local.databases, port.container) && port.scope != "loopback"
  action  = "bind"
  to      = ["127.0.0.1"]
  message = "databases are published on this machine only"
}

port "here and for sibling containers" {
  when   = port.bindable && port.scope == "unset"
  action = "bind"
  to     = ["127.0.0.1", interface("docker0")]
}

# To show one service to the others in the room for a while, uncomment this rule
# and fill in the service's Compose project and port:
#
# port "the demo faces the room" {
#   when    = compose.project == "demo" && port.container == 8080
#   action  = "bind"
#   to      = ["0.0.0.0"]
#   expires = "2030-01-01T00:00:00Z"
# }
