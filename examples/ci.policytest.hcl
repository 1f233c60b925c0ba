case "an ordinary job" {
  compose = <<-EOT
    services:
      test:
        image: test
        depends_on: [db]
        volumes:
          - /home/runner/work/shop/shop:/src
          - cache:/cache
      db:
        image: postgres
        ports: ["5432:5432"]
    volumes:
      cache: {}
  EOT
  want    = <<-EOT
    db: port 5432/tcp *:5432: bind 127.0.0.1:5432 (loopback only)
    test: mount /home/runner/work/shop/shop /src (rw): allow (the job's folder)
  EOT
}

case "a compose file with every trick" {
  compose = <<-EOT
    services:
      a:
        image: a
        ports: ["0.0.0.0:80:80", "[::]:81:81"]
      b:
        image: b
        network_mode: host
      c:
        image: c
        privileged: true
      d:
        image: d
        volumes: ["/:/host", "/home/runner/work:/all", "/home/runner/workshop:/near"]
      e:
        image: e
        cap_add: [NET_ADMIN]
        devices: ["/dev/kvm:/dev/kvm"]
        pid: host
        security_opt: ["apparmor:unconfined"]
      f:
        image: f
        networks: [lan]
      g:
        image: g
        volumes: [root:/root]
    networks:
      lan:
        driver: ipvlan
    volumes:
      root:
        driver_opts: {type: none, o: bind, device: /root}
  EOT
  want    = <<-EOT
    network ipvlan test_lan: deny (no way around published ports)
    mount /root (rw): deny (nothing else of the host)
    a: port 80/tcp 0.0.0.0:80: bind 127.0.0.1:80 (loopback only)
    a: port 81/tcp [::]:81: bind 127.0.0.1:81 (loopback only)
    b: network host host: deny (no way around published ports)
    c: privilege privileged: deny (none)
    d: mount / /host (rw): deny (nothing else of the host)
    d: mount /home/runner/work /all (rw): deny (nothing else of the host)
    d: mount /home/runner/workshop /near (rw): deny (nothing else of the host)
    e: privilege cap NET_ADMIN: deny (none)
    e: privilege device /dev/kvm: deny (none)
    e: privilege pid host: deny (none)
    e: privilege security_opt apparmor=unconfined: deny (none)
    f: network ipvlan test_lan: deny (no way around published ports)
    g: mount /root /root (rw): deny (nothing else of the host)
  EOT
}

case "a job that wants the Engine gets safesock" {
  run  = "docker run -v /var/run/docker.sock:/var/run/docker.sock testcontainers"
  want = <<-EOT
    mount /run/docker.sock /var/run/docker.sock (rw): replace (the Engine's socket)
  EOT
}

case "a job that wants the Engine's folder gets nothing" {
  run  = "docker run -v /var/run:/host/run testcontainers"
  want = <<-EOT
    mount /run /host/run (rw): deny (nothing else of the host)
  EOT
}

case "a link out of the checkouts" {
  links = { "/home/runner/work/shop/shop/link" = "/etc" }
  run   = "docker run -v /home/runner/work/shop/shop/link:/etc2 web"
  want  = <<-EOT
    mount /etc /etc2 (rw): deny (nothing else of the host)
  EOT
}

case "the host's time zone, on Debian and Fedora, on Alpine, and where it is a copy" {
  compose = <<-EOT
    services:
      debian:
        image: debian
        volumes: ["/etc/localtime:/etc/localtime:ro", "/etc/timezone:/etc/timezone:ro"]
      alpine:
        image: alpine
        volumes: ["/srv/alpine/localtime:/etc/localtime:ro"]
      copy:
        image: copy
        volumes: ["/srv/copy/localtime:/etc/localtime:ro", "/usr/share/zoneinfo:/usr/share/zoneinfo:ro"]
  EOT
  links = {
    "/etc/localtime"        = "/usr/share/zoneinfo/Europe/Berlin"
    "/srv/alpine/localtime" = "/etc/zoneinfo/Europe/Berlin"
    "/srv/copy/localtime"   = "/etc/localtime"
  }
  want = <<-EOT
    alpine: mount /etc/zoneinfo/Europe/Berlin /etc/localtime (ro): allow (the time zone, to read)
    copy: mount /usr/share/zoneinfo/Europe/Berlin /etc/localtime (ro): allow (the time zone, to read)
    copy: mount /usr/share/zoneinfo /usr/share/zoneinfo (ro): allow (the time zone, to read)
    debian: mount /usr/share/zoneinfo/Europe/Berlin /etc/localtime (ro): allow (the time zone, to read)
    debian: mount /etc/timezone /etc/timezone (ro): allow (the time zone, to read)
  EOT
}

case "a time zone that the job could change" {
  run   = "docker run -v /etc/localtime:/etc/localtime -v /etc/timezone:/etc/timezone -v /etc/timezone/../shadow:/shadow:ro web"
  links = { "/etc/localtime" = "/usr/share/zoneinfo/Europe/Berlin" }
  want  = <<-EOT
    mount /usr/share/zoneinfo/Europe/Berlin /etc/localtime (rw): deny (nothing else of the host)
    mount /etc/timezone /etc/timezone (rw): deny (nothing else of the host)
    mount /etc/shadow /shadow (ro): deny (nothing else of the host)
  EOT
}

case "a link to the host's root, not a checkout" {
  run  = "docker run -v /home/runner/work/../../../etc:/etc2 web"
  want = <<-EOT
    mount /etc /etc2 (rw): deny (nothing else of the host)
  EOT
}

case "BuildKit's own connection" {
  call = "POST /grpc"
  want = <<-EOT
    privilege buildkit grpc: allow (builds by BuildKit)
  EOT
}

case "the build of a docker CLI without buildx" {
  call = "POST /build?version=2"
  want = <<-EOT
    privilege buildkit build: allow (builds by BuildKit)
    privilege buildkit_unfixed 0: deny (no BuildKit before Engine 25.0.2)
    privilege frontend Dockerfile: deny (no other program builds)
  EOT
}

case "a build by the classic builder" {
  call = "POST /build?version=1"
  want = <<-EOT
    the call: allow (the rest)
  EOT
}

case "a Dockerfile that may name a frontend" {
  # LLBBridge/Solve with Frontend "dockerfile.v0", as gRPC encodes it
  call = "POST /moby.buildkit.v1.frontend.LLBBridge/Solve\n\u0000\u0000\u0000\u0000\u000f\u0012\rdockerfile.v0"
  want = <<-EOT
    privilege buildkit moby.buildkit.v1.frontend.LLBBridge/Solve: allow (builds by BuildKit)
    privilege frontend Dockerfile: replace (the Engine's own frontend)
  EOT
}

case "a container that builds, as buildx's driver docker-container makes it" {
  run  = "docker run --privileged moby/buildkit:buildx-stable-1"
  want = <<-EOT
    privilege privileged: deny (no container that builds)
  EOT
}

case "a container that runs within a build" {
  call = "POST /moby.buildkit.v1.frontend.LLBBridge/NewContainer"
  want = <<-EOT
    privilege buildkit moby.buildkit.v1.frontend.LLBBridge/NewContainer: allow (builds by BuildKit)
    privilege build_exec NewContainer: deny (none)
  EOT
}

case "an API that is newer than this safesock" {
  call = "POST /v9.99/containers/create\n{}"
  want = <<-EOT
    the call: deny (only calls that were reviewed)
  EOT
}

case "a call that nobody has heard of" {
  call = "POST /containers/prune-others"
  want = <<-EOT
    the call: deny (only calls that were reviewed)
  EOT
}

case "a swarm" {
  call = "POST /swarm/init\n{\"ListenAddr\":\"0.0.0.0:2377\"}"
  want = <<-EOT
    port tcp *:2377: bind 127.0.0.1:2377 (loopback only)
    network overlay ingress: deny (no way around published ports)
    privilege swarm init: deny (none)
  EOT
}

case "a call that claims nothing" {
  call = "GET /v1.41/containers/json"
  want = <<-EOT
    the call: allow (the rest)
  EOT
}

case "a plugin" {
  call = "POST /plugins/create?name=evil"
  want = <<-EOT
    privilege plugin evil: deny (none)
  EOT
}

case "a service of a swarm" {
  call = <<-EOT
    POST /services/create
    {"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"web"}},"EndpointSpec":{"Ports":[{"TargetPort":80,"PublishedPort":8080}]}}
  EOT
  want = <<-EOT
    the call: deny (no services of a swarm)
    port 80/tcp *:8080: deny (nowhere to put an address)
  EOT
}

case "the network of a sibling that has the host's" {
  compose = <<-EOT
    services:
      agent:
        image: agent
        network_mode: host
      app:
        image: app
        network_mode: service:agent
  EOT
  want    = <<-EOT
    agent: network host host: deny (no way around published ports)
    app: network host host: deny (no way around published ports)
  EOT
}

case "a sibling's network" {
  compose = <<-EOT
    services:
      vpn:
        image: vpn
      app:
        image: app
        network_mode: service:vpn
  EOT
  want    = <<-EOT
    nothing is claimed
  EOT
}

case "volumes of a sibling" {
  compose = <<-EOT
    services:
      one:
        image: one
        volumes: ["/home/runner/work/shop:/src"]
      two:
        image: two
        volumes_from: [one]
  EOT
  want    = <<-EOT
    one: mount /home/runner/work/shop /src (rw): allow (the job's folder)
    two: mount /home/runner/work/shop /src (rw): allow (the job's folder)
  EOT
}
