case "the reverse proxy faces the LAN" {
  compose = <<-EOT
    name: edge
    services:
      traefik:
        image: traefik
        ports: ["80:80", "443:443", "8080:8080"]
  EOT
  want    = <<-EOT
    traefik: port 443/tcp *:443: bind 0.0.0.0:443, [::]:443 (the edge project faces the LAN)
    traefik: port 80/tcp *:80: bind 0.0.0.0:80, [::]:80 (the edge project faces the LAN)
    traefik: port 8080/tcp *:8080: bind 127.0.0.1:8080 (unset goes to loopback)
  EOT
}

case "another project with the same ports does not" {
  compose = <<-EOT
    name: blog
    services:
      web:
        image: web
        ports: ["80:80"]
  EOT
  want    = <<-EOT
    web: port 80/tcp *:80: bind 127.0.0.1:80 (unset goes to loopback)
  EOT
}

case "databases never leave this machine" {
  compose = <<-EOT
    name: edge
    services:
      db:
        image: postgres
        ports: ["5432:5432", "192.168.1.10:6379:6379"]
  EOT
  want    = <<-EOT
    db: port 5432/tcp *:5432: bind 127.0.0.1:5432 (databases never leave this machine)
    db: port 6379/tcp 192.168.1.10:6379: bind 127.0.0.1:6379 (databases never leave this machine)
  EOT
}

case "an address of the LAN" {
  run  = "docker run -p 192.168.1.10:8123:8123 homeassistant"
  want = <<-EOT
    port 8123/tcp 192.168.1.10:8123: allow (an address of the LAN, as asked)
  EOT
}

case "every interface, as asked" {
  run  = "docker run -p 0.0.0.0:8123:8123 homeassistant"
  want = <<-EOT
    port 8123/tcp 0.0.0.0:8123: deny (not on every interface)
  EOT
}

case "the host's network" {
  run  = "docker run --network host homeassistant"
  want = <<-EOT
    network host host: deny (no host network)
  EOT
}
