# The first process of a machine, in new namespaces:
#
#   machine.sh HOST RUN ROOT [SUITE=ROOT...]
#
# HOST is an empty folder to build the machine's root in, RUN a folder that is
# seen at the same path from everywhere, ROOT the machine's Debian. The other
# Debians appear as /suites/SUITE, for clients to be run in with chroot.
# It prints a line when the machine is up, and ends it when its standard input ends.
set -eu
host=$1 run=$2 root=$3
shift 3

# Debian NAME ROOT PLACE: ROOT, to be written to without a trace.
debian() {
	mkdir -p "$host/$1.upper" "$host/$1.work"
	mount -t overlay overlay -o "lowerdir=$2,upperdir=$host/$1.upper,workdir=$host/$1.work" "$3"
}

mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$host"
mkdir "$host/root"
debian machine "$root" "$host/root"
cd "$host/root"

mount -t proc proc proc
mount -t sysfs sysfs sys # the new network namespace's
mount --rbind /sys/fs/cgroup sys/fs/cgroup
# crun takes the first version of cgroups or the second, and not both at once.
! mountpoint -q sys/fs/cgroup/unified || umount sys/fs/cgroup/unified
mount --rbind /dev dev
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p run/lock ".$run" outside
mount --bind "$run" ".$run"
for d in docker containerd containers; do # images cannot be laid over another overlay
	mkdir -p "var/lib/$d"
	mount -t tmpfs tmpfs "var/lib/$d"
done

for suite; do
	place=suites/${suite%%=*}
	mkdir -p "$place"
	debian "${suite%%=*}" "${suite#*=}" "$place"
	for d in proc dev run tmp; do mount --rbind "$d" "$place/$d"; done
	mkdir -p "$place$run"
	mount --bind "$run" "$place$run"
done

pivot_root . outside
cd /
umount -l /outside
rmdir /outside

hostname machine
ip link set lo up
ip netns add neighbour
ip -n neighbour link set lo up
ip link add lan0 type veth peer name lan0 netns neighbour
ip addr add 192.0.2.1/24 dev lan0
ip addr add 2001:db8::1/64 dev lan0 nodad
ip link set lan0 up
ip -n neighbour addr add 192.0.2.2/24 dev lan0
ip -n neighbour addr add 2001:db8::2/64 dev lan0 nodad
ip -n neighbour link set lan0 up

echo up
# Orphans are this shell's to wait for, which it does while it reads.
while read -r _; do :; done
