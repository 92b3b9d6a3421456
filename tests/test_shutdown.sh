#!/bin/bash
# test_shutdown.sh - a node that served, fired and was told to stop leaves no memory behind and
# touched none that was not its own: valgrind says so (in a sanitized build the sanitizer does).
# And one that is told to stop while it starts stops at once, in order.
#
# Prints TAP.
set -u
build=${1:-${BUILD:-build}}
dir=$(mktemp -d)
node=
sink=
cleanup() {
    [ -z "$node" ] || kill -KILL "$node" 2>/dev/null
    [ -z "$sink" ] || kill -KILL "$sink" 2>/dev/null
    rm -rf "$dir"
}
trap cleanup EXIT

fail() {
    echo "not ok 1 - a node under valgrind serves, fires and stops cleanly"
    echo "# $*"
    sed 's/^/# /' "$dir/node.log" | tail -60
    echo 1..1
    exit 1
}

# shellcheck source=tests/support/ports.sh
. "$(dirname "$0")/support/ports.sh"

checker=(valgrind --quiet --error-exitcode=99 --leak-check=full
    --errors-for-leak-kinds=definite,indirect)
if ldd "$build/orderschedd" | grep -qE 'lib[atu]*san'; then
    checker=()
fi
port=$(free_port 4)
secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw
export ORDERSCHED_ENDPOINTS=127.0.0.1:$((port + 1))
"${checker[@]}" "$build/orderschedd" --id 1 --data "$dir/data" --address "127.0.0.1:$port" \
    2>"$dir/node.log" &
node=$!
"$build/ordersink" --listen "127.0.0.1:$((port + 3))" --secret $secret \
    --journal "$dir/journal" --quiet 2>"$dir/sink.log" &
sink=$!

ctl() { timeout 60 "$build/orderctl" --timeout 50s "$@" >>"$dir/ctl.log" 2>&1; }
ctl route put shop --url "http://127.0.0.1:$((port + 3))/" --secret $secret || fail "route put"
for i in 1 2 3 4 5; do
    ctl schedule "order-$i" --in 1s --route shop --payload '{"sku":1}' || fail "schedule"
done
ctl pay order-1 || fail "pay"
ctl cancel order-2 || fail "cancel"
ctl extend order-3 --in 1h || fail "extend"
for tries in $(seq 100); do
    [ "$(grep -c '"kind":"effect"' "$dir/journal" 2>/dev/null)" = 2 ] && break
    sleep 0.2
done
[ "$(grep -c '"kind":"effect"' "$dir/journal")" = 2 ] || fail "two orders should have expired"
ctl list || fail "list"
ctl status || fail "status"
kill -TERM "$node"
wait "$node"
code=$?
node=
[ "$code" = 0 ] || fail "exit code $code"
echo "ok 1 - a node under valgrind serves, fires and stops cleanly"

# Bit 14 of the mask of caught signals; of the node, that is: until it has become one, the process is a shell
# with this shell's own handler, whose default comes back with the change.
catches_sigterm() {
    local mask
    [ "$(cat "/proc/$1/comm" 2>/dev/null)" = orderschedd ] || return 1
    mask=$(sed -nE 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null)
    [ -n "$mask" ] && [ $((0x$mask >> 14 & 1)) = 1 ]
}
report() { # NUMBER: it is ok when each of $codes is 0
    if [[ $codes =~ ^(\ 0)+$ ]]; then
        echo "ok $1 - $name"
    else
        echo "not ok $1 - $name"
        echo "# exit codes$codes"
    fi
}

name="a node that is told to stop while it starts ends with exit code 0"
codes=
mkfifo "$dir/never.yaml" # reading it, a node stays at the beginning of its start
for i in $(seq 0 19); do
    from=()
    [ $((i % 5)) != 0 ] || from=(--config "$dir/never.yaml")
    "$build/orderschedd" --id 1 --data "$dir/data" --address "127.0.0.1:$port" "${from[@]}" \
        2>"$dir/node.log" &
    node=$!
    for tries in $(seq 200); do
        catches_sigterm "$node" && break
        sleep 0.01
    done
    sleep "0.0$((i / 10))$((i % 10))"
    kill -TERM "$node"
    wait "$node"
    codes="$codes $?"
    node=
done
report 2

name="a node that was started with closed descriptors ends with exit code 0, too"
codes=
for closed in 0 1 2; do
    case $closed in
        0) exec "$build/orderschedd" --data "$dir/closed" --address "127.0.0.1:$port" <&- 2>"$dir/node.log" & ;;
        1) exec "$build/orderschedd" --data "$dir/closed" --address "127.0.0.1:$port" >&- 2>"$dir/node.log" & ;;
        2) exec "$build/orderschedd" --data "$dir/closed" --address "127.0.0.1:$port" 2>&- & ;;
    esac
    node=$!
    ctl status || codes="$codes no-answer-$closed"
    kill -TERM "$node"
    wait "$node"
    codes="$codes $?"
    node=
done
report 3
echo 1..3
