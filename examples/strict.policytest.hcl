case "an address makes no difference" {
  run  = "docker run -p 80:80 -p 0.0.0.0:81:81 -p 192.0.2.7:82:82/udp -p [::]:83:83 -p 127.0.0.1:84:84 -p [::1]:85:85 web"
  want = <<-EOT
    port 80/tcp *:80: bind 127.0.0.1:80 (loopback, whatever is asked)
    port 81/tcp 0.0.0.0:81: bind 127.0.0.1:81 (loopback, whatever is asked)
    port 82/udp 192.0.2.7:82: bind 127.0.0.1:82 (loopback, whatever is asked)
    port 83/tcp [::]:83: bind 127.0.0.1:83 (loopback, whatever is asked)
    port 84/tcp 127.0.0.1:84: allow (loopback)
    port 85/tcp [::1]:85: allow (loopback)
  EOT
}

case "an image's ports, too" {
  run    = "docker run -P web"
  images = { web = ["80", "53/udp"] }
  want   = <<-EOT
    port 53/udp *:*: bind 127.0.0.1:* (loopback, whatever is asked)
    port 80/tcp *:*: bind 127.0.0.1:* (loopback, whatever is asked)
  EOT
}

case "no host network" {
  run  = "docker run --network host web"
  want = <<-EOT
    network host host: deny (no way around published ports)
  EOT
}

case "no network of one's own making that reaches the LAN" {
  compose = <<-EOT
    services:
      camera:
        image: camera
        networks: [lan]
    networks:
      lan:
        driver: macvlan
        driver_opts:
          parent: eth0
  EOT
  want    = <<-EOT
    network macvlan test_lan: deny (no way around published ports)
    camera: network macvlan test_lan: deny (no way around published ports)
  EOT
}

case "a sibling's network" {
  compose = <<-EOT
    services:
      vpn:
        image: vpn
        ports: ["8080:8080"]
      app:
        image: app
        network_mode: service:vpn
  EOT
  want    = <<-EOT
    vpn: port 8080/tcp *:8080: bind 127.0.0.1:8080 (loopback, whatever is asked)
  EOT
}

case "a swarm service cannot be bound" {
  call = <<-EOT
    POST /services/create
    {"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"web"}},"EndpointSpec":{"Ports":[{"TargetPort":80,"PublishedPort":8080}]}}
  EOT
  want = <<-EOT
    port 80/tcp *:8080: deny (nowhere to put an address)
  EOT
}

case "a field that this safesock does not know" {
  call = <<-EOT
    POST /containers/create
    {"Image":"web","HostConfig":{"PublishTo":"everybody"}}
  EOT
  want = <<-EOT
    privilege unread /HostConfig/PublishTo: deny (only what was reviewed)
  EOT
}
