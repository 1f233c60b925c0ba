# Loopback only, whatever is asked, like Docker Desktop's "localhost only" port
# binding. No published port and no network makes a container reachable from
# another host. Privileges can do so, as can any build by BuildKit before Engine
# 25.0.2, and are only warned about.

port "loopback, whatever is asked" {
  when   = port.bindable && port.scope != "loopback"
  action = "bind"
  to     = ["127.0.0.1"]
}

network "no way around published ports" {
  action  = "deny"
  message = "publish the port instead, as in -p 8080:80"
}

privilege "only what was reviewed" {
  when    = privilege.name == "unread"
  action  = "deny"
  message = "this safesock does not know it; update safesock"
}
