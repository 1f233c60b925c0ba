#!/bin/bash
# Runs safesock in front of this machine's Engine:
#
#   packaging/run.sh SAFESOCK [ARGUMENT...]
#
# If the machine has no Engine, this installs Debian's docker.io. Without
# systemd, it starts dockerd, which runs until safesock ends. The arguments go
# to "safesock serve".
set -euo pipefail

die() { echo "run.sh: $*" >&2; exit 1; }

# answers reports whether an Engine answers on the socket.
answers() {
	[ -S "$1" ] && curl -fsS -o /dev/null -m 5 --unix-socket "$1" http://localhost/_ping 2>/dev/null
}

engine() {
	local runtime=${XDG_RUNTIME_DIR:-/run/user/$(id -u)} socket
	for socket in "${DOCKER_HOST#unix://}" /var/run/docker.sock "$runtime/docker.sock" "$runtime/podman/podman.sock" /run/podman/podman.sock; do
		if answers "$socket"; then return 0; fi
	done
	return 1
}

install() {
	[ "$(id -u)" = 0 ] || die "$1 is not installed; run this as root to install it, or install it yourself"
	echo "run.sh: installing Debian's $1, which is not on this machine" >&2
	apt-get -qq update
	DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

safesock=$1
shift
DOCKER_HOST=${DOCKER_HOST:-}
# safesock's own socket, as serve finds it, is not the Engine's.
case ${DOCKER_HOST#unix://} in
/run/safesock/docker.sock | "${XDG_RUNTIME_DIR:-/run/user/$(id -u)}/safesock/docker.sock") DOCKER_HOST= ;;
esac
command -v curl >/dev/null || install curl
if ! engine; then
	[ -z "$DOCKER_HOST" ] || die "no Engine answers at DOCKER_HOST=$DOCKER_HOST"
	command -v dockerd >/dev/null || install docker.io iptables
	if [ -d /run/systemd/system ]; then
		systemctl start docker
	elif ! engine; then
		echo "run.sh: starting dockerd. It ends with safesock (Ctrl-C), and its containers with it; its log is /var/log/dockerd.log" >&2
		setsid dockerd >>/var/log/dockerd.log 2>&1 &
		dockerd=$!
		trap 'kill "$dockerd"; wait "$dockerd" || true' EXIT
	fi
	for _ in $(seq 30); do
		if engine; then break; fi
		sleep 1
	done
	engine || die "the Engine does not answer after 30 seconds; see /var/log/dockerd.log"
fi

# The shell waits for safesock, to end a dockerd that it started. A signal from
# the terminal reaches safesock once, through the shell.
trap 'kill -TERM "$child" 2>/dev/null || true' INT TERM HUP
setsid "$safesock" serve "$@" &
child=$!
status=0
wait "$child" || status=$?
wait "$child" 2>/dev/null || true
exit "$status"
