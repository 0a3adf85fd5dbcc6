#!/bin/sh
# Installs Penstock on Debian 12 or newer: users, a virtual environment, units, configurations. Run it as root; run it again to upgrade.
# What is there already is kept: a configuration is never overwritten, and no service is started or restarted.
#
#   scripts/deploy/install.sh [--root DIR] [--from WHAT] [--python PYTHON] [--no-venv] [gateway] [platform]
#
#   --root DIR       install into this folder instead of / (an image, a chroot, a test)
#   --from WHAT      what pip installs: this checkout (the default), a wheel, or a name on an index such as dicom-penstock==0.1
#   --python PYTHON  the interpreter, 3.11 or newer
#   --no-venv        leave /opt/penstock/venv alone
set -eu

fail() { echo "install.sh: $1" >&2; exit 2; }

here=$(cd "$(dirname "$0")" && pwd)
root=""
from=$(cd "$here/../.." && pwd)
python=${PYTHON:-python3}
venv=yes
roles=""
while [ $# -gt 0 ]; do
    case $1 in
        --root) [ $# -gt 1 ] || fail "--root needs a folder"; root=${2%/}; shift ;;
        --from) [ $# -gt 1 ] || fail "--from needs a wheel, a folder or a name"; from=$2; shift ;;
        --python) [ $# -gt 1 ] || fail "--python needs an interpreter"; python=$2; shift ;;
        --no-venv) venv=no ;;
        gateway|platform) roles="$roles $1" ;;
        *) fail "$1: unknown; see the first lines of $0" ;;
    esac
    shift
done
roles=${roles:-" gateway platform"}
[ "$(id -u)" = 0 ] || fail "needs root: sudo $0"
[ -z "$root" ] || [ -d "$root" ] || fail "$root: no such folder"
for tool in systemd-sysusers systemd-tmpfiles; do
    command -v $tool >/dev/null || fail "needs $tool: apt-get install systemd"
done

place() { # FILE TARGET MODE: says what it did only when something changed
    if ! cmp -s "$1" "$root$2"; then
        install -D -m "$3" "$1" "$root$2"
        echo "wrote $2"
    fi
}

configure() { # FILE TARGET: a file that operators change
    if [ ! -e "$root$2" ]; then
        install -D -m 0644 "$1" "$root$2"
        echo "wrote $2: change it before the first start"
    elif ! cmp -s "$1" "$root$2"; then
        echo "kept $2"
    fi
}

place "$here/penstock.sysusers" /usr/lib/sysusers.d/penstock.conf 0644
place "$here/penstock.tmpfiles" /usr/lib/tmpfiles.d/penstock.conf 0644
systemd-sysusers ${root:+--root="$root"} penstock.conf
systemd-tmpfiles ${root:+--root="$root"} --create penstock.conf

home=/opt/penstock
if [ "$venv" = yes ]; then
    command -v "$python" >/dev/null || fail "no $python: apt-get install python3 python3-venv"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$python is older than 3.11"
    real=$("$python" -c 'import os, sys; print(os.path.realpath(sys.executable))')
    case $real in
        /root?* | /home?* | /tmp?*) fail "$python is $real, which the services cannot see: --python /usr/bin/python3" ;;
    esac
    if [ ! -x "$root$home/venv/bin/python" ]; then
        mkdir -p "$root$home"
        "$python" -m venv "$root$home/venv" || fail "no virtual environment: apt-get install python3-venv"
    fi
    case $from in
        */) what="${from%/}[platform]" ;;
        *) what="$from[platform]" ;;
    esac
    if [ -d "$from" ]; then
        command -v gcc >/dev/null || fail "needs gcc to build from $from: apt-get install gcc libc6-dev python3-dev"
    fi
    "$root$home/venv/bin/python" -m pip install -q --disable-pip-version-check --root-user-action=ignore --upgrade "$what" \
        || fail "pip could not install $from"
    echo "installed $("$root$home/venv/bin/penstock" --version) into $home/venv"
    if [ ! -e "$root/usr/local/bin/penstock" ]; then
        mkdir -p "$root/usr/local/bin"
        ln -s $home/venv/bin/penstock "$root/usr/local/bin/penstock"
    fi
fi

for role in $roles; do
    place "$here/penstock-$role.service" "/usr/lib/systemd/system/penstock-$role.service" 0644
    place "$here/../../engine/config/$role.toml" "/etc/penstock/$role.example.toml" 0644
    configure "$here/$role.toml" "/etc/penstock/$role.toml"
done
if [ -d "$here/../../docs" ]; then
    for page in "$here"/../../docs/*.md; do
        place "$page" "$home/docs/$(basename "$page")" 0644
    done
fi

if [ -z "$root" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    for role in $roles; do
        if systemctl is-active -q "penstock-$role"; then
            echo "now: systemctl restart penstock-$role     (it drains first; nothing is lost)"
        else
            echo "now: edit /etc/penstock/$role.toml, then systemctl enable --now penstock-$role"
        fi
    done
fi
