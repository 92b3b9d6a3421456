#!/bin/bash
# test_unit_file.sh - the systemd unit is hardened, by systemd's own judgement, and what a node writes is its
# owner's alone, whatever the umask.
#
# Prints TAP.
set -u
build=${1:-${BUILD:-build}}
dir=$(mktemp -d)
pid=
cleanup() {
    [ -z "$pid" ] || { kill -KILL "$pid" && wait "$pid"; } 2>/dev/null
    rm -rf "$dir"
}
trap cleanup EXIT

scratch=$dir
unit=$(dirname "$0")/../packaging/orderschedd.service
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/support/tap.sh"
# shellcheck source=tests/support/ports.sh
. "$(dirname "$0")/support/ports.sh"
explain() { tail -n 20 "$dir"/*.log 2>/dev/null; }

# ---- the unit ----

exposed_at_most() { # tenths, a unit
    systemd-analyze security --offline=true --no-pager --threshold="$1" "$2"
}
if ! command -v systemd-analyze >/dev/null || ! systemd-analyze --help | grep -q -- --offline; then
    number=$((number + 1))
    echo "ok $number - the unit's exposure is at most 2.0 # SKIP there is no systemd-analyze with --offline"
else
    check "the unit's exposure is at most 2.0" exposed_at_most 20 "$unit"
    grep -vE '^(SystemCallFilter|CapabilityBoundingSet|ProtectSystem)=' "$unit" >"$dir/orderschedd.service"
    check "without its filters and its capabilities it is more" \
        sh -c "! systemd-analyze security --offline=true --no-pager --threshold=20 '$dir/orderschedd.service'"
fi

# ---- files ----

port=$(free_port 3)
export ORDERSCHED_ENDPOINTS=127.0.0.1:$((port + 1))
ctl() { timeout 60 "$build/orderctl" --timeout 20s "$@"; }
open_to_others() { # files and directories that are not 0600 and 0700
    find "$dir/parent/data" \( -type d -not -perm 0700 \) -o \( -type f -not -perm 0600 \)
}
mkdir "$dir/parent"
(
    umask 0
    exec "$build/orderschedd" --id 1 --data "$dir/parent/data" --address "127.0.0.1:$port" 2>"$dir/node.log"
) &
pid=$!
check "a node starts with an open umask" ctl route put shop --kind worker
check "and takes orders" ctl schedule order-1 --in 1h --route shop
check "its directory holds files" sh -c "[ \$(find '$dir/parent/data' -type f | wc -l) -ge 3 ]"
check "files are 0600, directories 0700" [ -z "$(open_to_others)" ]
explain() { find "$dir/parent/data" -printf '%m %p\n'; }
kill -TERM "$pid"
wait "$pid" 2>/dev/null
pid=
check "also after it has ended" [ -z "$(open_to_others)" ]

echo "1..$number"
[ "$failures" -eq 0 ]
