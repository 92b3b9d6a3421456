#!/bin/bash
# test_core_dump.sh - a node that crashes writes no secret into its core: secrets, signing keys, headers and
# client keys of routes; and the search for them finds them where memory is dumped.
#
# Prints TAP.
set -u
build=${1:-${BUILD:-build}}
dir=$(mktemp -d)
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; done
    rm -rf "$dir"
}
trap cleanup EXIT

scratch=$dir
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/support/tap.sh"
# shellcheck source=tests/support/ports.sh
. "$(dirname "$0")/support/ports.sh"
explain() { tail -n 20 "$dir"/*.log 2>/dev/null; }
skip_all() {
    echo "1..0 # SKIP $1"
    exit 0
}

pattern=$(cat /proc/sys/kernel/core_pattern)
case $pattern in
/* | '|'*) skip_all "cores go to $pattern here" ;;
esac
ulimit -c unlimited 2>/dev/null || skip_all "no core may be written here: ulimit -c is $(ulimit -c)"

port=$(free_port 4)
sink=$((port + 3))
build=$(readlink -f "$build")
export ORDERSCHED_ENDPOINTS=127.0.0.1:$((port + 1))
ctl() { timeout 60 "$build/orderctl" --timeout 20s "$@"; }
secret=whsec_$(head -c 32 /dev/urandom | base64)
credential=Bearer-$(head -c 24 /dev/urandom | base64 | tr -d '/+=')
mkdir -m 700 "$dir/certs"
(cd "$dir/certs" && "$build/orderctl" cert create-ca --cluster shop &&
    "$build/orderctl" cert client one) >/dev/null
private=$(sed -n 2p "$dir/certs/client-one.key") # a line of the key's base64
# RFC 8032, 7.1, test 1.
signing=whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==
printf '%s\n' "$secret" >"$dir/secret"
printf 'Authorization: %s\n' "$credential" >"$dir/header"
printf '%s\n' "$signing" >"$dir/signing"

# A node whose routes have secrets and have delivered, then SIGABRT. $1: where; $2: a filter, or nothing.
crash() {
    local node
    mkdir "$dir/$1"
    (cd "$dir/$1" && exec "$build/orderschedd" --id 1 --data "$dir/$1/data" --address "127.0.0.1:$port" \
        2>"$dir/$1.log") &
    node=$!
    pids+=("$node")
    ctl route put shop --url "http://127.0.0.1:$sink/" --secret "@$dir/secret" --header "@$dir/header" \
        --signing-key "@$dir/signing" >/dev/null || return 1
    ctl route put mutual --url https://127.0.0.1:1/ --client-cert "$dir/certs/client-one.crt" \
        --client-key "$dir/certs/client-one.key" >/dev/null || return 1
    ctl schedule order-1 --in 10ms --route shop >/dev/null || return 1
    ctl schedule order-2 --in 10ms --route mutual >/dev/null || return 1
    for _ in $(seq 100); do
        ctl get order-1 | grep -q EXPIRED && break
        sleep 0.1
    done
    [ -z "$2" ] || echo "$2" >"/proc/$node/coredump_filter"
    kill -ABRT "$node"
    wait "$node" 2>/dev/null
}
core_of() { find "$dir/$1" -maxdepth 1 -name "$(basename "${pattern%%%*}")*" -type f | head -1; }
has() { grep -aqF -- "$2" "$(core_of "$1")"; }
has_not() { ! has "$@"; }

"$build/ordersink" --listen "127.0.0.1:$sink" --secret "$secret" --journal "$dir/journal" --quiet \
    2>"$dir/sink.log" &
pids+=($!)
crash whole 0x33
[ -n "$(core_of whole)" ] || skip_all "no core was written here (a sanitizer, or a container, forbids it)"
crash usual ''

check "the node leaves a core" test -s "$(core_of usual)"
for what in secret credential signing private; do
    check "a core of all memory has the $what: the search finds it" has whole "${!what}"
    check "a node's core does not have the $what" has_not usual "${!what}"
done
raw=$(printf '%s' "${signing#whsk_}" | base64 -d | head -c 16 | od -An -tx1 | tr -d ' \n')
check "nor the private key's bytes" sh -c "! od -An -v -tx1 '$(core_of usual)' | tr -d ' \n' | grep -q $raw"
check "no log has any of them" \
    sh -c "! grep -F -e '$secret' -e '$credential' -e '$signing' -e '$private' '$dir/usual.log' '$dir/whole.log'"
echo "1..$number"
[ "$failures" -eq 0 ]
