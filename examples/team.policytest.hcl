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

case "everybody builds" {
  client {
    user   = "eve"
    groups = ["docker"]
  }
  # LLBBridge/Solve with Frontend "dockerfile.v0", as gRPC encodes it
  call = "POST /moby.buildkit.v1.frontend.LLBBridge/Solve\n\u0000\u0000\u0000\u0000\u000f\u0012\rdockerfile.v0"
  want = <<-EOT
    privilege buildkit moby.buildkit.v1.frontend.LLBBridge/Solve: allow (everybody builds)
    privilege frontend Dockerfile: replace (the Engine's own frontend)
  EOT
}

case "everybody else sees no builds of others" {
  client {
    user   = "eve"
    groups = ["docker"]
  }
  # Control/ListenBuildHistory without a ref
  call = "POST /moby.buildkit.v1.Control/ListenBuildHistory\n\u0000\u0000\u0000\u0000\u0000"
  want = <<-EOT
    privilege buildkit moby.buildkit.v1.Control/ListenBuildHistory: allow (everybody builds)
    privilege build_history list: deny (privileges are for operators)
  EOT
}
