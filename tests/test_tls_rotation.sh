#!/bin/bash
# test_tls_rotation.sh - the CA, and the certificates and keys of all nodes and clients, are replaced one after
# the other under 20,000 orders a second, by the commands that an operator has: no call fails, and nobody is
# elected. Connections live for a few seconds at most meanwhile, so that all are made anew with the new ones.
# nng may lose a message of ours with a connection: see lsan-nng-lost.supp.
#
#   tests/test_tls_rotation.sh [BUILD]     the directory with the programs, default: $BUILD or build
#
# RATE=N orders a second, ORDERS=N of them. Prints TAP.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
build=$(realpath "${1:-${BUILD:-build}}")
case $build in *address* | *thread*) : "${RATE:=3000}" ;; esac # the sanitizers are that much slower
RATE=${RATE:-20000}
ORDERS=${ORDERS:-$((RATE * 16))}
export PATH=$build:$PATH
scratch=$(mktemp -d)
# shellcheck source=tests/support/tap.sh
. tests/support/tap.sh
# shellcheck source=tests/support/ports.sh
. tests/support/ports.sh
pids=()
cleanup() {
    local i
    for i in "${pids[@]}"; do kill -KILL "$i" 2>/dev/null; done
    rm -rf "$scratch"
}
trap cleanup EXIT

port=$(free_port 30)
address() { echo "127.0.0.1:$((port + 10 * ($1 - 1) + ${2:-0}))"; }
export ORDERSCHED_ENDPOINTS=$(address 1 1),$(address 2 1),$(address 3 1)
export ORDERSCHED_TLS_CA=$scratch/9/ca.crt ORDERSCHED_TLS_CERT=$scratch/9/client.crt
export ORDERSCHED_TLS_KEY=$scratch/9/client.key

# --- replacing files as people do: a new one, renamed over the old ---

put() { # FROM TO
    cp -p "$1" "$2.new" && mv "$2.new" "$2"
}
put_pair() { # FROM TO, without .crt and .key
    put "$1.key" "$2.key" && put "$1.crt" "$2.crt"
}
files() {
    local i
    cd "$scratch" && orderctl cert create-ca --cluster orderschedd --out old &&
        orderctl cert create-ca --cluster orderschedd --out new && mkdir 1 2 3 9 || return 1
    for i in 1 2 3; do
        orderctl cert node $i --host 127.0.0.1 --out old && put_pair old/node-$i $i/node &&
            put old/ca.crt $i/ca.crt || return 1
    done
    orderctl cert client till --out old && put_pair old/client-till 9/client && put old/ca.crt 9/ca.crt
}
start() {
    local i
    for i in 1 2 3; do
        orderschedd --id $i --data "$scratch/data-$i" --tls-max-age 3s \
            --peers "1=$(address 1),2=$(address 2),3=$(address 3)" --tls-cert "$scratch/$i/node.crt" \
            --tls-key "$scratch/$i/node.key" --tls-ca "$scratch/$i/ca.crt" 2>"$scratch/log-$i" &
        pids+=($!)
    done
}
figure() { orderctl -w json status 2>/dev/null | tr -d ' \n' | grep -o "\"$1\":[0-9]*" | sort | tail -n 1; }
settled() {
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        orderctl status >"$scratch/status" 2>&1
        grep -q '3 of 3 members up' "$scratch/status" && grep -q 'leads' "$scratch/status" && return 0
        sleep 0.2
    done
    cat "$scratch/status" "$scratch"/log-*
    return 1
}
# NODE N: it has taken files N times
has_taken() {
    local tries
    for ((tries = 0; tries < 150; tries++)); do
        [ "$(grep -c 'are in force' "$scratch/log-$1")" -ge "$2" ] && return 0
        sleep 0.1
    done
    cat "$scratch/log-$1"
    return 1
}
hup() { kill -HUP "${pids[$1 - 1]}" && has_taken "$1" "$2"; }
both_authorities() {
    local i
    cat "$scratch/old/ca.crt" "$scratch/new/ca.crt" >"$scratch/both.crt"
    for i in 1 2 3; do put "$scratch/both.crt" "$scratch/$i/ca.crt" && hup $i 1 || return 1; done
    put "$scratch/both.crt" "$scratch/9/ca.crt"
}
new_certificates() {
    local i
    cd "$scratch" || return 1
    for i in 1 2 3; do
        orderctl cert node $i --host 127.0.0.1 --out new && put_pair new/node-$i $i/node && hup $i 2 || return 1
        sleep 0.5
    done
    orderctl cert client till --out new && put_pair new/client-till 9/client
}
new_authority_alone() {
    local i
    sleep 4 # all connections of before are gone: --tls-max-age
    for i in 1 2 3; do put "$scratch/new/ca.crt" "$scratch/$i/ca.crt" && hup $i 3 || return 1; done
    put "$scratch/new/ca.crt" "$scratch/9/ca.crt"
}
no_call_failed() {
    wait "$load"
    local code=$?
    cat "$scratch/load" "$scratch"/log-*
    [ $code -eq 0 ] && grep -q "\"orders\":$ORDERS" "$scratch/load"
}
nobody_was_elected() {
    echo "before $term, now $(figure term)"
    cat "$scratch"/log-*
    [ -n "$term" ] && [ "$(figure term)" = "$term" ]
}
old_ones_are_refused() {
    ! ORDERSCHED_TLS_CERT=$scratch/old/client-till.crt ORDERSCHED_TLS_KEY=$scratch/old/client-till.key \
        orderctl --timeout 3s list >"$scratch/said" 2>&1 &&
        grep -q 'was not signed by an authority' "$scratch"/log-*
}
still_loaded() { kill -0 "$load"; }
ends() {
    local i
    for i in "${pids[@]}"; do kill -TERM "$i"; done
    for i in "${pids[@]}"; do wait "$i" || return 1; done
    pids=()
}

check files_are_made files
start
check the_cluster_stands settled
orderctl route put bench --kind worker >"$scratch/said" 2>&1
term=$(figure term)
orderbench schedule --endpoints "$ORDERSCHED_ENDPOINTS" --orders "$ORDERS" --rate "$RATE" -q -w json \
    >"$scratch/load" 2>&1 &
load=$!
pids+=("$load")
sleep 1
check both_authorities_count_meanwhile both_authorities
check certificates_and_keys_are_replaced_one_after_the_other new_certificates
check the_old_authority_leaves new_authority_alone
check all_of_it_was_under_load still_loaded
unset 'pids[3]'
check no_call_failed no_call_failed
check nobody_was_elected nobody_was_elected
check certificates_of_the_old_authority_are_refused old_ones_are_refused
check the_nodes_stop_in_order ends

echo "1..$number"
[ "$failures" -eq 0 ]
