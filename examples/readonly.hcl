# Look, but do not touch: what socket proxies by path do, for a dashboard or a
# reverse proxy that only lists containers. Nothing can be made, started,
# entered or read out: logs, files, secrets and attached streams are not on the
# list.

locals {
  readable = [
    "/_ping", "/version", "/info", "/events",
    "/containers/json", "/containers/*/json", "/containers/*/stats", "/containers/*/top",
    "/images/json", "/images/*/json", "/images/**/json",
    "/networks", "/networks/*", "/volumes", "/volumes/*",
    "/services", "/services/*", "/tasks", "/tasks/*", "/nodes", "/nodes/*",
  ]
}

api "read" {
  when   = contains(["GET", "HEAD"], call.method) && anytrue([for path in local.readable : glob(path, call.path)])
  action = "allow"
}

api "nothing else" {
  action  = "deny"
  message = "this socket is read-only"
}
