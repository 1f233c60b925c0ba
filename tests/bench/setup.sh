#!/bin/sh
# Installs HAProxy, which the benchmark compares with, and keeps Debian from
# starting it as a service.
set -eu

command -v haproxy >/dev/null && exit 0
command -v apt-get >/dev/null || {
	echo "setup.sh: haproxy is missing, and so is apt-get; the benchmark will go without it" >&2
	exit 0
}
rc=/usr/sbin/policy-rc.d
if [ ! -e "$rc" ]; then
	trap 'rm -f "$rc"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$rc"
	chmod +x "$rc"
fi
apt-get -qq update
apt-get -qq install --no-install-recommends -y haproxy >/dev/null
