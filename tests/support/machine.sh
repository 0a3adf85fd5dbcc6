#!/bin/sh
# A machine whose first process is systemd, in namespaces of its own: its root is an overlay of this machine's root, so what is
# installed here is installed there, and nothing that is done there is seen here. Nothing is started in it but journald.
#   machine.sh boot PLACE CGROUP SITE SHARED    ends when the machine does. PLACE: an empty folder; SITE: a folder that is seen there as
#                                               /srv/site, to read only; SHARED: one that is /srv/shared
#   machine.sh clean PLACE CGROUP               takes the ended machine's cgroups away
set -eu
what=$1 place=$2 cgroup=$3

case $what in
clean)
    mount -t cgroup2 none "$place"
    find "$place/$cgroup" -depth -type d -exec rmdir {} +
    umount "$place"
    ;;
boot)
    mount --make-rprivate /
    mount -t tmpfs -o mode=755 none "$place"
    mkdir "$place/upper" "$place/work" "$place/root" "$place/cgroup"
    # systemd gets a cgroup of ours to rule, and thinks that it is the root of all.
    mount -t cgroup2 none "$place/cgroup"
    mkdir "$place/cgroup/$cgroup"
    echo $$ >"$place/cgroup/$cgroup/cgroup.procs"
    mount -t overlay -o "lowerdir=/,upperdir=$place/upper,workdir=$place/work" none "$place/root"
    exec unshare --cgroup --pid --uts --ipc --net --fork --kill-child "$0" inside "$place" "$cgroup" "$4" "$5"
    ;;
inside)
    cd "$place/root"
    mount -t proc none proc
    mount --bind proc/sys proc/sys
    mount -o remount,bind,ro proc/sys
    mount -t sysfs -o ro none sys
    mount -t cgroup2 none sys/fs/cgroup
    mount -t tmpfs -o mode=755 none dev
    for node in null zero full random urandom tty; do
        : >dev/$node
        mount --bind /dev/$node dev/$node
    done
    mkdir dev/pts dev/shm
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 none dev/pts
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    mount -t tmpfs -o mode=1777 none dev/shm
    mount -t tmpfs -o mode=755 none run
    mount -t tmpfs -o mode=1777 none tmp
    mkdir -p srv/site srv/shared
    mount --bind "$5" srv/shared
    mount --bind "$4" srv/site
    mount -o remount,bind,ro srv/site
    # No unit of this machine is started there; those of systemd itself would see to hardware, clocks and kernel settings.
    find etc/systemd/system -mindepth 1 -delete
    for unit in usr/lib/systemd/system/*.target.wants/*; do
        case $unit in
        *.target | *journald*.service | *journald.socket | *journald-dev-log.socket) ;;
        *) ln -sf /dev/null "etc/systemd/system/${unit##*/}" ;;
        esac
    done
    : >etc/fstab
    echo 0123456789abcdef0123456789abcdef >etc/machine-id
    mkdir .before
    pivot_root . .before
    umount -l .before
    rmdir .before
    mount --make-rshared / # what systemd mounts for a unit in a process of its own must reach the unit
    exec env -i container=penstock-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        /lib/systemd/systemd --system --unit=basic.target --log-target=console
    ;;
esac
