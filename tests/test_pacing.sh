#!/bin/bash
# test_pacing.sh - one real node and real receivers: what status says of each route, a dead receiver
# beside a healthy one, batches, a rate, a pause, and the guard of private addresses.
# Runs beside others: waits 5 s.
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
explain() { tail -n 20 "$dir"/*.log "$dir"/status* 2>/dev/null; }

port=$(free_port 5)
sink=$((port + 3)) nobody=$((port + 4))
secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw
export ORDERSCHED_ENDPOINTS=127.0.0.1:$((port + 1))
ctl() { timeout 60 "$build/orderctl" --timeout 20s "$@" >>"$dir/ctl.log" 2>&1; }

start_node() { # name, flags
    local name=$1
    shift
    "$build/orderschedd" --id 1 --data "$dir/$name" --address "127.0.0.1:$port" "$@" \
        2>>"$dir/$name.log" &
    pids+=($!)
}
stop_node() {
    kill -TERM "${pids[-1]}"
    wait "${pids[-1]}"
    unset "pids[-1]"
}

# The number at the end of a path of keys in the status, such as 'routes.live.total.count', or
# 'all.total.count'.
status_value() {
    timeout 30 "$build/orderctl" --timeout 20s status -w json >"$dir/status.json" 2>"$dir/status.err"
    awk -v path="$1" '
        BEGIN { split(path, want, ".") ; route = want[1] == "all" ? "" : want[2] }
        /^  "lateness"/ { where = "all" }
        /^  "routes"/ { where = "routes" }
        /"route": / { split($0, q, "\""); current = q[4] }
        /"(timer|commit|queue|callback|total)": \{/ { split($0, q, "\""); part = q[2] }
        /"(count|p50_us|p99_us|max_us|window|ready|deliveries)": / {
            split($0, q, "\""); value = $2; sub(/,/, "", value)
            if (where == "all" && want[1] == "all" && part == want[2] && q[2] == want[3]) print value
            if (where == "routes" && want[1] == "routes" && current == route &&
                ((part == want[3] && q[2] == want[4]) || q[2] == want[3])) { print value; exit }
        }' "$dir/status.json" | head -n 1
}
eventually() { # a value, then its path
    for _ in $(seq 100); do
        [ "$(status_value "$2")" = "$1" ] && return 0
        sleep 0.1
    done
    echo "# $2 is $(status_value "$2"), not $1"
    return 1
}
effects() { grep -c '"kind":"effect"' "$dir/journal" 2>/dev/null; }
effects_reach() {
    for _ in $(seq 100); do
        [ "$(effects)" -ge "$1" ] && return 0
        sleep 0.1
    done
    return 1
}

start_node first
"$build/ordersink" --listen "127.0.0.1:$sink" --secret $secret --journal "$dir/journal" --quiet \
    2>"$dir/sink.log" &
pids=($! "${pids[@]}")

ctl route put live --url "http://127.0.0.1:$sink/" --secret $secret
ctl route put dead --url "http://127.0.0.1:$nobody/"
for i in 1 2 3 4 5 6 7 8; do
    ctl schedule "live-$i" --in 1s --route live
    ctl schedule "dead-$i" --in 1s --route dead
done
check "a dead receiver holds up no other route's orders" effects_reach 8
check "status counts each first delivery of a route" eventually 8 routes.live.total.count
check "status counts them of all routes" eventually 16 all.total.count
early() { [ "$(status_value routes.live.total.p99_us)" -lt 5000000 ]; }
check "a healthy route is not late" early

ctl route pause live
ctl schedule paused-1 --in 100ms --route live
check "a paused route keeps its due order" eventually 1 routes.live.ready
still() { sleep 1; [ "$(effects)" = 8 ]; }
check "nothing of it is delivered" still
ctl route resume live
check "it is delivered once the route is resumed" effects_reach 9

ctl route put slow --url "http://127.0.0.1:$sink/" --secret $secret --rate 2 --burst 1
soon=$(date -u -d '+5 seconds' +%FT%TZ) # for all of them: starting a program may take longer than their pace
for i in 1 2 3; do ctl schedule "slow-$i" --at "$soon" --route slow; done
check "orders of a route with a rate are delivered" effects_reach 12
late() { [ "$(status_value routes.slow.queue.max_us)" -gt 600000 ]; }
check "and wait in its queue" late
stop_node

start_node second --allow-private-callbacks=false
ctl route put live --url "http://127.0.0.1:$sink/" --secret $secret
ctl schedule guarded --in 200ms --route live
refused() {
    for _ in $(seq 100); do
        grep -q '127.0.0.1 is a loopback address: refused without --allow-private-callbacks' \
            "$dir/second.log" && return 0
        sleep 0.1
    done
    return 1
}
check "without --allow-private-callbacks the loopback is refused by name" refused
untold() { [ "$(effects)" = 12 ]; }
check "and the receiver was not told" untold
stop_node
echo "1..$number"
