#!/bin/bash
# Makes the Debian roots that the end-to-end tests take their engines and
# clients from:
#
#   tests/e2e/setup.sh [ENGINE...]
#
# ENGINE is one of 20.10, 26.1, 28.5, 29, podman-4.3, podman-5.4, podman-5.8; all
# of them if none is named. Engines of one Debian suite share a root:
# $SAFESOCK_E2E_CACHE/SUITE, below /var/cache/safesock-e2e by default. A root
# that is already there is left alone. Nothing is installed on the host itself
# but debootstrap, iproute2 and, for one of the clients, npm; no service is started.
#
# Packages come from the mirror that the host's own apt uses. sid moves on: the
# name 28.5 stands for the docker.io that sid has on the day its root is made,
# and the tests report what it says of itself. No Debian has 29 yet. It is
# built with the host's Go from the module that the releases of Docker 29 are
# made from, as that was on 2026-09-15 (API 1.56), and put into sid's root
# beside Debian's; containerd, runc and the clients are sid's.
set -euo pipefail

moby=v2.0.0-beta.24 # of github.com/moby/moby/v2: what 29 is
here=$(dirname "$(realpath "$0")")
cache=${SAFESOCK_E2E_CACHE:-/var/cache/safesock-e2e}
export DEBIAN_FRONTEND=noninteractive

die() { echo "setup.sh: $*" >&2; exit 1; }

# What each suite's root holds besides a minimal Debian.
packages() {
	case $1 in
	bookworm) echo docker.io docker-compose python3-docker nodejs iptables iproute2 procps busybox-static podman crun containernetworking-plugins ;;
	trixie)   echo docker.io docker-cli docker-buildx docker-compose iptables iproute2 procps busybox-static podman crun netavark aardvark-dns nftables ;;
	sid)      echo docker.io docker-cli docker-buildx docker-compose iptables iproute2 procps busybox-static podman crun netavark aardvark-dns nftables ;;
	esac
}

suite() {
	case $1 in
	20.10 | podman-4.3) echo bookworm ;;
	26.1 | podman-5.4)  echo trixie ;;
	28.5 | 29 | podman-5.8) echo sid ;;
	*) die "there is no engine $1; there are 20.10, 26.1, 28.5, 29, podman-4.3, podman-5.4 and podman-5.8" ;;
	esac
}

# The mirror of the host's own release. Third-party repositories have another label.
mirror() {
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' "Codename: $(. /etc/os-release && echo "$VERSION_CODENAME")" | head -n 1
}

need() { # need COMMAND PACKAGE
	command -v "$1" >/dev/null || missing+=("$2")
}

install_on_host() {
	missing=()
	need debootstrap debootstrap
	need ip iproute2
	need npm npm
	if [ ${#missing[@]} -eq 0 ] && [ -n "$(mirror)" ]; then return; fi
	echo "setup.sh: installing ${missing[*]:-nothing}" >&2
	apt-get -qq update
	[ ${#missing[@]} -eq 0 ] || apt-get -qq install --no-install-recommends -y "${missing[@]}" >/dev/null
}

# make_root builds a root beside its place and moves it there when it is whole.
make_root() {
	local suite=$1 base=$1 root=$cache/$1 new=$cache/$1.new
	local stamp="$suite: $(packages "$suite")"
	if [ "$(cat "$root/safesock-e2e" 2>/dev/null)" = "$stamp" ]; then return; fi
	# A debootstrap of today does not know tomorrow's sid: sid's packages go on top of the release before it.
	if [ "$suite" = sid ]; then base=trixie; fi

	echo "setup.sh: making $root" >&2
	rm -rf "$new" "$root"
	mkdir -p "$new" "$cache/debs"
	debootstrap --variant=minbase --include=ca-certificates --cache-dir="$cache/debs" \
		"$base" "$new" "$(mirror)" >"$cache/$suite.log" 2>&1 ||
		die "debootstrap of $base from $(mirror) did not work: $(tail -n 5 "$cache/$suite.log")"

	printf '#!/bin/sh\nexit 101\n' >"$new/usr/sbin/policy-rc.d" # no service starts in a root
	chmod +x "$new/usr/sbin/policy-rc.d"
	rm -f "$new/etc/apt/sources.list"
	echo "deb $(mirror) $suite main" >"$new/etc/apt/sources.list.d/suite.list"
	cp /etc/resolv.conf /etc/hosts "$new/etc/"
	apt-config dump | grep -E '^Acquire::' | grep -v -E '::Packages::|^Acquire::Languages' >"$new/etc/apt/apt.conf.d/99host" || true
	{
		# An archive whose mirror is a copy of an earlier day has indexes that have expired.
		chroot "$new" apt-get -o Acquire::Check-Valid-Until=false update &&
		chroot "$new" apt-get install --no-install-recommends -y $(packages "$suite") &&
		chroot "$new" apt-get clean
	} >>"$cache/$suite.log" 2>&1 ||
		die "the packages of $suite could not be installed, see $cache/$suite.log: $(grep -E '^(E|Err|dpkg: error)' "$cache/$suite.log" | tail -n 5)"
	rm -rf "$new"/var/lib/apt/lists/*
	echo "$stamp" >"$new/safesock-e2e"
	mv "$new" "$root"
}

# dockerode as npm has it, for the node of bookworm. Its parts that need a
# compiler are for connections over SSH.
make_dockerode() {
	local place=$cache/bookworm/opt/dockerode
	if cmp -s "$here/dockerode/package-lock.json" "$place/installed"; then return; fi
	echo "setup.sh: installing dockerode" >&2
	rm -rf "$place"
	mkdir -p "$place"
	cp "$here"/dockerode/package*.json "$place"
	npm ci --prefix "$place" --ignore-scripts --omit=optional --no-audit --no-fund >"$cache/dockerode.log" 2>&1 ||
		die "npm could not install dockerode: $(tail -n 5 "$cache/dockerode.log")"
	mv "$place/package-lock.json" "$place/installed"
}

# make_moby builds the Engine that no Debian has. It takes some minutes and, in
# Go's own caches, 2.5 GB.
make_moby() {
	local place=$cache/sid/opt/moby
	local package=github.com/moby/moby/v2/cmd/dockerd@$moby
	if [ "$(cat "$place/installed" 2>/dev/null)" = "$package" ]; then return; fi
	command -v go >/dev/null || die "Engine 29 is built with Go, which is not installed"
	echo "setup.sh: building $package" >&2
	rm -rf "$place"
	mkdir -p "$place"
	CGO_ENABLED=0 GOBIN=$place go install -ldflags '-s -w' "$package" >"$cache/moby.log" 2>&1 ||
		die "Engine 29 could not be built from $package, see $cache/moby.log: $(tail -n 5 "$cache/moby.log")"
	echo "$package" >"$place/installed"
}

[ "$(id -u)" = 0 ] || die "run it as root: it makes Debian roots"
command -v apt-get >/dev/null || die "it needs a Debian: its engines and clients are Debian's packages"
[ $# -gt 0 ] || set -- 20.10 26.1 28.5 29 podman-4.3 podman-5.4 podman-5.8

suites='bookworm sid' # the clients' own: Compose 1, docker-py and node; Compose 2 and buildx
for engine; do
	suites+=" $(suite "$engine")" # a wrong name ends it here
done
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
install_on_host
[ -n "$(mirror)" ] || die "apt on this host knows no Debian mirror"
for s in $(printf '%s\n' $suites | sort -u); do
	make_root "$s"
done
make_dockerode
for engine; do
	if [ "$engine" = 29 ]; then make_moby; fi
done
