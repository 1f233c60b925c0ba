# Read-only access, for a dashboard or a reverse proxy that only lists
# containers. Like other socket proxies, this policy filters calls by their path.
# Clients can create, start and enter nothing. Logs, files, secrets and attached
# streams are not on the list, so clients cannot read them either.

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
