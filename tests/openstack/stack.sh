#!/usr/bin/env bash
# A fresh OpenStack on loopback, for as long as one command runs: real Keystone, Placement, Glance, Neutron, Cinder and
# Nova of Debian 12's packages (2022.2, "Zed"), unpatched. What is pretended lies below them: the hypervisor is Nova's
# FakeDriver on a host that reports two GPUs (site/nova_virt/lab.py), every port binds at once (site/lab_ml2.py), and
# volumes hold nothing (site/lab_volume.py). No guest boots.
#
# Nova's four services are one process that talks over oslo.messaging's own transport, Cinder's three another, and the
# databases are SQLite files: six processes in all, no broker, no database server. Ports are free ones, everything lies
# in a temporary directory, and both end with the command, however it ends.
#
# usage: stack.sh COMMAND [ARGUMENT...]     as root the packages are installed when they are missing
# The command finds the account of the user lab in OS_*, and more in LAB_*: see environment() below.
set -euo pipefail
umask 077
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || { echo "usage: stack.sh COMMAND [ARGUMENT...]" >&2 && exit 2; }
packages=(python3-keystone python3-placement python3-nova python3-glance python3-neutron python3-cinder uwsgi-core
    uwsgi-plugin-python3 curl jq openssl)
python=/usr/bin/python3 # Debian's own, whatever else PATH offers
export LC_ALL=C.UTF-8
# The services reach each other directly: no proxy, no foreign Python.
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY PYTHONPATH PYTHONHOME
for name in $(compgen -e OS_ || true); do unset "$name"; done

say() { printf '[%3ds] %s\n' "$SECONDS" "$*" >&2; }
skip() {
    printf 'SKIP openstack: %s\n0 passed, 0 failed, 1 skipped\n' "$*"
    exit 0
}
die() {
    printf 'not ok openstack: %s\n0 passed, 1 failed\n' "$*"
    exit 1
}

# ---- packages ----
# The python3-* packages hold the services' code; those named after the services add questions and init scripts.

missing() {
    local p
    for p in "${packages[@]}"; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q '^install ok installed$' || printf ' %s' "$p"
    done
}

# Nothing of what comes along (udev, iscsid) may start by itself.
without_starting() {
    local policy=/usr/sbin/policy-rc.d rc=0
    if [ -e "$policy" ]; then
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    "$@" || rc=$?
    rm -f "$policy"
    trap - EXIT
    return $rc
}

install_packages() {
    local log apt=(apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Dpkg::Options::=--force-confold
        -o Dpkg::Options::=--force-unsafe-io)
    log=$(mktemp)
    export DEBIAN_FRONTEND=noninteractive
    umask 022 # what packages leave behind must be readable for everybody
    if ! { "${apt[@]}" update && without_starting "${apt[@]}" install --no-install-recommends "$@"; } >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        rm -f "$log"
        skip "the packages cannot be installed here"
    fi
    rm -f "$log"
    umask 077
}

grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release || skip 'it wants the packages of Debian 12'
command -v setpriv >/dev/null || skip 'setpriv (util-linux) is missing'
wanted=$(missing)
if [ -n "$wanted" ]; then
    [ "$(id -u)" = 0 ] || skip "only root can install$wanted"
    say "installing$wanted"
    # shellcheck disable=SC2086
    install_packages $wanted
fi

# ---- the processes: all end with this script ----

work=$(mktemp -d)
log=$work/log
mkdir -p "$work"/{conf,log,db,images,nova,neutron,cinder,lock,keystone-fernet,keystone-credential}
started=() # process ids; each leads its own group
helpers=() # process ids of what ends by itself
deadline=$((SECONDS + 600)) # for everything to be ready: minutes on a busy machine
run=("$python" "$here/site/run.py")

stop() {
    local pid
    trap '' INT TERM HUP
    for pid in "${helpers[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in "${started[@]}"; do kill -KILL -- "-$pid" 2>/dev/null || true; done # there is nothing to save
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# start NAME COMMAND...: in the background; it dies with this script even if that is killed.
start() {
    local name=$1
    shift
    PYTHONPATH=$here/site PYTHONDONTWRITEBYTECODE=1 setsid setpriv --pdeathsig KILL "$@" \
        >"$log/$name.log" 2>&1 </dev/null &
    started+=($!)
}

# setup NAME COMMAND...: to its end; in the background, since a signal to the script is not heeded before a command's end.
setup() {
    local name=$1
    shift
    PYTHONPATH=$here/site PYTHONDONTWRITEBYTECODE=1 setpriv --pdeathsig KILL "$@" >>"$log/$name.setup.log" 2>&1 </dev/null &
    helpers=($!)
    if wait "${helpers[0]}"; then
        helpers=()
        return 0
    fi
    tail -n 25 "$log/$name.setup.log" >&2
    return 1
}

# await NAME PID URL: until it answers at all.
await() {
    local code
    until code=$(curl -s -o /dev/null -m 10 -w '%{http_code}' "$3") && [ "$code" -lt 502 ]; do
        kill -0 "$2" 2>/dev/null || { tail -n 25 "$log/$1.log" >&2 && die "$1 ended"; }
        [ "$SECONDS" -lt "$deadline" ] || { tail -n 25 "$log/$1.log" >&2 && die "$1 does not answer"; }
        sleep 0.3
    done
}

# ---- configuration ----

# Below the ports that the kernel gives to those who ask for any.
free_ports() {
    "$python" - <<'END'
import random
import socket
free = []
for port in random.sample(range(20000, 32000), 200):
    with socket.socket() as s:
        if s.connect_ex(('127.0.0.1', port)) != 0:
            free.append(str(port))
print(*free[:6])
END
}

secret() { openssl rand -hex 16; }

read -r keystone_port nova_port placement_port glance_port neutron_port cinder_port < <(free_ports)
keystone=http://127.0.0.1:$keystone_port/v3
nova=http://127.0.0.1:$nova_port/v2.1
placement=http://127.0.0.1:$placement_port
glance=http://127.0.0.1:$glance_port
neutron=http://127.0.0.1:$neutron_port
cinder=http://127.0.0.1:$cinder_port/v3
region=RegionOne
admin_password=$(secret) service_password=$(secret) user_password=$(secret)

auth="auth_type = password
auth_url = $keystone
username = service
password = $service_password
project_name = service
user_domain_name = Default
project_domain_name = Default
region_name = $region
www_authenticate_uri = $keystone
service_token_roles_required = true
token_cache_time = -1"

configure() { # NAME: conf/NAME with its @VALUES@ filled in
    WORK=$work HERE=$here AUTH=$auth KEYSTONE_PORT=$keystone_port NOVA_PORT=$nova_port GLANCE_PORT=$glance_port \
        NEUTRON_PORT=$neutron_port CINDER_PORT=$cinder_port awk '{
            while (match($0, /@[A-Z_]+@/))
                $0 = substr($0, 1, RSTART - 1) ENVIRON[substr($0, RSTART + 1, RLENGTH - 2)] substr($0, RSTART + RLENGTH)
            print
        }' "$here/conf/$1" >"$work/conf/$1"
}
for name in keystone placement glance nova neutron cinder; do configure "$name.conf"; done
for name in keystone-fernet/0 keystone-fernet/1 keystone-credential/0 keystone-credential/1; do
    openssl rand -base64 32 | tr '+/' '-_' | tr -d '\n' >"$work/$name"
done
export LAB_GPUS=2 LAB_CELL0="sqlite:///$work/db/nova_cell0.sqlite?timeout=60"

# ---- databases ----

# In WAL mode there is less to sync, and readers do not block.
files() {
    "$python" - "$work/db" "$@" <<'END'
import sqlite3
import sys
for name in sys.argv[2:]:
    sqlite3.connect(f'{sys.argv[1]}/{name}.sqlite').execute('pragma journal_mode=wal')
END
}
files keystone placement glance neutron cinder nova nova_api nova_cell0

keystone_tables() {
    local manage=("${run[@]}" keystone-manage --config-file "$work/conf/keystone.conf")
    setup keystone "${manage[@]}" db_sync &&
        setup keystone "${manage[@]}" bootstrap --bootstrap-password "$admin_password" --bootstrap-region-id "$region" \
            --bootstrap-public-url "$keystone" --bootstrap-internal-url "$keystone" --bootstrap-admin-url "$keystone"
}
other_tables() {
    setup placement "${run[@]}" placement-manage --config-file "$work/conf/placement.conf" db sync &&
        setup glance "${run[@]}" glance-manage --config-file "$work/conf/glance.conf" db_sync &&
        setup neutron "${run[@]}" neutron-tables "sqlite:///$work/db/neutron.sqlite?timeout=60" &&
        setup cinder "${run[@]}" cinder-manage --config-file "$work/conf/cinder.conf" db sync
}
nova_tables() { setup nova "${run[@]}" nova-setup --config-file "$work/conf/nova.conf"; }

# Two cores, two at a time.
{ keystone_tables && nova_tables; } &
one=$!
other_tables &
two=$!
helpers=("$one" "$two")
wait "$one" || die 'the tables of keystone or nova'
wait "$two" || die 'the tables of placement, glance, neutron or cinder'
helpers=()
say 'databases are ready'

# ---- services ----

# uWSGI closes every connection after one answer and must say so, or a client that keeps connections sees it reset.
uwsgi=(uwsgi --plugin python3 --add-header 'Connection: close' --need-app --die-on-term --enable-threads
    --buffer-size 65535 --post-buffering 8192 --disable-logging)
start keystone env OS_KEYSTONE_CONFIG_DIR="$work/conf" "${uwsgi[@]}" --http-socket "127.0.0.1:$keystone_port" \
    --wsgi-file /usr/bin/keystone-wsgi-public
keystone_pid=$!
start placement env OS_PLACEMENT_CONFIG_DIR="$work/conf" "${uwsgi[@]}" --http-socket "127.0.0.1:$placement_port" \
    --wsgi-file /usr/bin/placement-api
placement_pid=$!
start glance "${run[@]}" glance-api --config-file "$work/conf/glance.conf"
glance_pid=$!
start neutron "${run[@]}" neutron-api --config-file "$work/conf/neutron.conf"
neutron_pid=$!
start cinder "${run[@]}" cinder-all --config-file "$work/conf/cinder.conf"
cinder_pid=$!

lab='' small='' user='' credential='' credential_secret=''
# shellcheck source=tests/openstack/seed.sh
. "$here/seed.sh"
await keystone "$keystone_pid" "$keystone"
seed_identity || die 'users and projects'
await placement "$placement_pid" "$placement/"
start nova "${run[@]}" nova-all --config-file "$work/conf/nova.conf"
nova_pid=$!
await glance "$glance_pid" "$glance/"
seed_image || die 'the image'
await neutron "$neutron_pid" "$neutron/"
seed_networks || die 'the networks'
await cinder "$cinder_pid" "$cinder/"
seed_volumes || die 'the quota of volumes'
await nova "$nova_pid" "$nova/"
seed_compute || die 'flavors, quotas or the compute node'
# Beside the compute node's first record: in WAL mode SQLite refuses at once, timeout or not, to write what was read
# before somebody else wrote.
for try in 1 2 3 4 5; do
    setup nova "${run[@]}" nova-manage --config-file "$work/conf/nova.conf" cell_v2 discover_hosts && break
    [ "$try" -lt 5 ] || die 'the cell'
done

# ---- the command ----

environment() {
    export OS_AUTH_URL=$keystone OS_USERNAME=lab OS_PASSWORD=$user_password OS_PROJECT_ID=$lab OS_USER_DOMAIN_ID=default \
        OS_REGION_NAME=$region
    export LAB_ADMIN_PASSWORD=$admin_password LAB_USER_ID=$user # of Keystone
    export LAB_SMALL_PROJECT_ID=$small                      # another project of the user, with a quota of one server
    export LAB_CREDENTIAL_ID=$credential LAB_CREDENTIAL_SECRET=$credential_secret # an application credential of the user
    export LAB_NOVA=$nova LAB_CINDER=$cinder
}
environment
say "ready; the services take $(cd /proc && cat "${started[@]/%//smaps_rollup}" | awk '/^Pss:/ { kb += $2 } END { print int(kb / 1024) }') MB"
"$@" <&0 &
helpers=($!)
rc=0
wait "${helpers[0]}" || rc=$?
helpers=()
if [ "$rc" != 0 ]; then
    kept=${B:-build}/logs/openstack
    mkdir -p "$kept" && cp "$log"/* "$kept"
    say "the services' logs are in $kept"
fi
exit "$rc"
