case "an operator publishes on every interface" {
  client {
    user   = "olga"
    groups = ["ops", "docker"]
  }
  run  = "docker run -p 0.0.0.0:80:80 --privileged web"
  want = <<-EOT
    port 80/tcp 0.0.0.0:80: allow (operators publish where they say)
    privilege privileged: warn (told, not refused)
  EOT
}

case "an operator uses the host's network" {
  client {
    user   = "olga"
    groups = ["ops"]
  }
  run  = "docker run --network host web"
  want = <<-EOT
    network host host: warn (the host's own)
  EOT
}

case "an operator who says nothing gets loopback" {
  client {
    user   = "olga"
    groups = ["ops"]
  }
  run  = "docker run -p 80:80 web"
  want = <<-EOT
    port 80/tcp *:80: bind 127.0.0.1:80 (everybody else stays on this machine)
  EOT
}

case "everybody else stays on this machine" {
  client {
    user   = "eve"
    groups = ["docker"]
  }
  run  = "docker run -p 0.0.0.0:80:80 -p 127.0.0.1:81:81 web"
  want = <<-EOT
    port 80/tcp 0.0.0.0:80: bind 127.0.0.1:80 (everybody else stays on this machine)
    port 81/tcp 127.0.0.1:81: allow (loopback)
  EOT
}

case "everybody else has no privileges" {
  client {
    user   = "eve"
    groups = ["docker"]
  }
  run  = "docker run --network host --cap-add NET_ADMIN web"
  want = <<-EOT
    network host host: deny (the host's network is for operators)
    privilege cap NET_ADMIN: deny (privileges are for operators)
  EOT
}

case "alice's demo" {
  client {
    user   = "alice"
    groups = ["docker"]
  }
  time = "2026-12-31T23:59:59Z"
  run  = "docker run -p 0.0.0.0:8443:443 demo"
  want = <<-EOT
    port 443/tcp 0.0.0.0:8443: allow (alice's demo, until it is over)
  EOT
}

case "alice's demo is over" {
  client {
    user   = "alice"
    groups = ["docker"]
  }
  time = "2027-01-01T00:00:00Z"
  run  = "docker run -p 0.0.0.0:8443:443 demo"
  want = <<-EOT
    port 443/tcp 0.0.0.0:8443: bind 127.0.0.1:8443 (everybody else stays on this machine)
  EOT
}
