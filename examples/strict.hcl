# Loopback only, whatever is asked, as Docker Desktop's "localhost only" port
# binding: nothing that a client writes makes a port reachable from another
# host, and no network does either.

port "loopback, whatever is asked" {
  when   = port.bindable && port.scope != "loopback"
  action = "bind"
  to     = ["127.0.0.1"]
}

network "no way around published ports" {
  action  = "deny"
  message = "publish the port instead, as in -p 8080:80"
}
