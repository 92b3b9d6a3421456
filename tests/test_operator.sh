#!/bin/bash
# test_operator.sh - orderctl in the hands of somebody in a hurry, with a real node: the wrong one of two
# ports, an order's id that would steer the terminal, and a Ctrl-C in the middle of many orders.
#
#   tests/test_operator.sh [BUILD]     the directory with the programs, default: $BUILD or build
#
# Prints TAP.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:-${BUILD:-build}}
scratch=$(mktemp -d)
node=
cleanup() {
    [ -z "$node" ] || { kill -CONT "$node" && kill -KILL "$node"; } 2>/dev/null
    wait 2>/dev/null
    rm -rf "$scratch"
}
trap cleanup EXIT
# shellcheck source=tests/support/tap.sh
. tests/support/tap.sh
explain() { tail -3 "$scratch/node.log"; }

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
port=$((21000 + $$ % 8000))
while listens $port || listens $((port + 1)) || listens $((port + 2)); do
    port=$((port + 7))
done
"$build/orderschedd" --id 1 --data "$scratch/data" --address "127.0.0.1:$port" \
    2>"$scratch/node.log" &
node=$!
ctl() { timeout 30 "$build/orderctl" "$@"; }
export ORDERSCHED_ENDPOINTS=127.0.0.1:$((port + 1))
ctl route put r --kind worker --attempts 1 >/dev/null

raft_port_is_named() {
    local started=$SECONDS
    ctl --endpoints "127.0.0.1:$port" status >"$scratch/said" 2>&1
    [ $? -eq 2 ] && [ $((SECONDS - started)) -le 3 ] &&
        grep -qF "its clients use the port after it, 127.0.0.1:$((port + 1))" "$scratch/said"
}
a_forgotten_cluster_is_named() {
    local command
    for command in status clock "top --once" "member add 5 127.0.0.1:$port" "leader transfer"; do
        # shellcheck disable=SC2086 # words
        ctl --cluster elsewhere $command >"$scratch/said" 2>&1
        [ $? -eq 1 ] && grep -q 'WRONG_CLUSTER: .*Name the cluster with --cluster' "$scratch/said" || return 1
    done
    ! ctl --cluster elsewhere status 2>&1 | grep -q UNREACHABLE
}
says() { # WORDS COMMAND: it fails with these, and speaks of no order
    ctl "${@:2}" >"$scratch/said" 2>&1
    [ $? -eq 1 ] && grep -qF "$1" "$scratch/said" && ! grep -qw order "$scratch/said"
}
words_fit_what_was_asked() {
    ctl token create web --role observer --expires 1d >/dev/null &&
        says "EXISTS: there is one of this name already. Nothing was changed; choose another." \
            token create web --role observer --expires 1d &&
        says "NOT_FOUND: there is none of this name. Nothing was changed; check the name." token revoke nobody &&
        says "NOT_FOUND: there is none of this name. Nothing was changed; check the name." route set nowhere --window 3 &&
        says "Check the name, see: " dead list --route nowhere &&
        says "Check the name, see: " work nowhere -- true
}
one_right_endpoint_will_do() { ctl --endpoints "127.0.0.1:$port,127.0.0.1:$((port + 1))" status; }
an_id_steers_nothing() {
    local id=$'a\xc2\x9b2J\xe2\x80\xaeb'
    { ctl schedule "$id" --in 1h --route r && ctl get "$id" && ctl list && ctl pay "$id" &&
        ! ctl pay "nobody$id"; } >"$scratch/said" 2>&1 &&
        grep -qF 'a\xc2\x9b2J\xe2\x80\xaeb' "$scratch/said" &&
        ! grep -qE $'\xc2\x9b|\xe2\x80\xae' "$scratch/said"
}
interrupted_it_says_what_it_did() {
    local i client rc
    for i in 1 2 3; do ctl schedule "dead-$i" --in 1s --route r || return 1; done
    sleep 1.5
    ctl work r --drain -- false
    [ "$(ctl dead list --route r | grep -c dead-)" = 3 ] || return 1
    kill -STOP "$node"
    "$build/orderctl" dead redrive --route r >"$scratch/said" 2>&1 &
    client=$!
    sleep 0.7
    kill -INT "$client"
    sleep 0.2
    kill -CONT "$node"
    wait "$client"
    rc=$?
    cat "$scratch/said"
    [ "$rc" = 130 ] && grep -qE '^[0-9]+ orders? redriven; interrupted: repeat the command' "$scratch/said"
}

check the_raft_port_is_named_at_once raft_port_is_named
check a_forgotten_cluster_is_named_at_once a_forgotten_cluster_is_named
check words_fit_what_was_asked words_fit_what_was_asked
check one_right_endpoint_among_wrong_ones_will_do one_right_endpoint_will_do
check an_orders_id_does_not_steer_the_terminal an_id_steers_nothing
check an_interrupted_redrive_says_what_it_did interrupted_it_says_what_it_did

echo "1..$number"
[ "$failures" -eq 0 ]
