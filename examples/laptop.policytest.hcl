case "a web server, for this machine and sibling containers" {
  run  = "docker run -p 8080:80 web"
  want = <<-EOT
    port 80/tcp *:8080: bind 127.0.0.1:8080, 172.17.0.1:8080 (here and for sibling containers)
  EOT
}

case "a database, for this machine alone" {
  run  = "docker run -p 5432:5432 postgres"
  want = <<-EOT
    port 5432/tcp *:5432: bind 127.0.0.1:5432 (databases never leave this machine)
  EOT
}

case "a database that asks for more" {
  compose = <<-EOT
    services:
      db:
        image: mysql
        ports: ["0.0.0.0:3306:3306"]
      cache:
        image: redis
        ports: ["192.0.2.7:6379:6379"]
  EOT
  want    = <<-EOT
    cache: port 6379/tcp 192.0.2.7:6379: bind 127.0.0.1:6379 (databases never leave this machine)
    db: port 3306/tcp 0.0.0.0:3306: bind 127.0.0.1:3306 (databases never leave this machine)
  EOT
}

case "an address is the user's decision" {
  run  = "docker run -p 0.0.0.0:8080:80 web"
  want = <<-EOT
    port 80/tcp 0.0.0.0:8080: warn (every interface, as asked)
  EOT
}

case "without Docker's bridge there is nobody to reach, and no port" {
  interfaces = { lo = ["127.0.0.1", "::1"] }
  run        = "docker run -p 8080:80 web"
  want       = <<-EOT
    port 80/tcp *:8080: deny (here and for sibling containers)
  EOT
}
