case "containers are listed" {
  call = "GET /v1.41/containers/json?all=1"
  want = <<-EOT
    the call: allow (read)
  EOT
}

case "a container is inspected, and asked for its processes" {
  call = "GET /containers/web/json"
  want = <<-EOT
    the call: allow (read)
  EOT
}

case "an image with slashes in its name is inspected" {
  call = "GET /v1.41/images/ghcr.io/acme/web/json"
  want = <<-EOT
    the call: allow (read)
  EOT
}

case "the Engine is pinged" {
  call = "HEAD /_ping"
  want = <<-EOT
    the call: allow (read)
  EOT
}

case "events are followed" {
  call = "GET /events"
  want = <<-EOT
    the call: allow (read)
  EOT
}

case "nothing is created" {
  run  = "docker run web"
  want = <<-EOT
    the call: deny (nothing else)
  EOT
}

case "nothing is stopped" {
  call = "POST /v1.41/containers/web/stop"
  want = <<-EOT
    the call: deny (nothing else)
  EOT
}

case "nothing is entered by GET either" {
  call = "GET /containers/web/attach/ws"
  want = <<-EOT
    the call: deny (nothing else)
  EOT
}

case "nothing is read out of a container" {
  call = "GET /containers/web/archive?path=/etc"
  want = <<-EOT
    the call: deny (nothing else)
  EOT
}

case "nor are its logs" {
  call = "GET /containers/web/logs?stdout=1"
  want = <<-EOT
    the call: deny (nothing else)
  EOT
}
