#!/bin/bash
# test_route_change.sh - one real node: what a second `route put` and `route set` leave as it was, what
# they refuse, what `route list` shows of a URL, and how a repaired route's orders are hurried.
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

port=$(free_port 5)
sink=$((port + 3))
secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw
export ORDERSCHED_ENDPOINTS=127.0.0.1:$((port + 1))
ctl() { timeout 60 "$build/orderctl" --timeout 20s "$@"; }
says() { # words, then a command that succeeds
    local words=$1
    shift
    "$@" 2>&1 | tee -a "$dir/says.log" | grep -q -- "$words"
}
refuses() { # words, then a command that fails
    local words=$1 said
    shift
    said=$("$@" 2>&1) && return 1
    echo "$said"
    grep -q -- "$words" <<<"$said"
}
# A setting of a route, as JSON has it on its line.
setting() {
    ctl -w json route list | awk -v route="$1" -v key="$2" '
        $1 == "\"name\":" { current = $2; gsub(/[",]/, "", current) }
        current == route && $1 == "\"" key "\":" { sub(/^[^:]*: /, ""); sub(/,$/, ""); print; exit }'
}
is() { [ "$(setting "$1" "$2")" = "$3" ] || { echo "$2 is $(setting "$1" "$2")"; return 1; }; }
expires() { # an order on a route is told to its receiver, which verifies the signature
    ctl schedule "$2" --in 10ms --route "$1" >/dev/null || return 1
    for _ in $(seq 100); do
        ctl get "$2" | grep -q EXPIRED && return 0
        sleep 0.1
    done
    ctl get "$2" --history
    return 1
}

"$build/orderschedd" --id 1 --data "$dir/data" --address "127.0.0.1:$port" 2>"$dir/node.log" &
pids+=($!)
"$build/ordersink" --listen "127.0.0.1:$sink" --secret $secret --journal "$dir/journal" --quiet \
    2>"$dir/sink.log" &
pids+=($!)
url=http://127.0.0.1:$sink/

check "a route is put" ctl route put shop --url "$url" --secret $secret --header 'x-shop: 7' --retry 1s,2s
check "a put without a secret changes what it names" \
    says 'what was not named stays' ctl route put shop --url "$url" --window 9
check "its window is new" is shop window 9
check "its secret is the old one" is shop secrets 1
check "and its receiver knows it" expires shop first
check "its headers are the old ones" says x-shop ctl -w json route list
check "route set changes one setting" ctl route set shop --timeout 3s
check "it is changed" is shop timeout_ms 3000
check "and no other" is shop window 9
check "deliveries are still signed as they were" expires shop second
check "a setting may be set back to nothing" ctl route set shop --rate 5
check "it was set" is shop rate_per_s 5
check "to no limit" ctl route set shop --rate 0
check "it is gone" is shop rate_per_s ""
check "a new secret is set when it is named" \
    ctl route set shop --secret whsec_b3RoZXIgc2VjcmV0IG90aGVyIHNlY3JldA==
check "the old one is gone" is shop secrets 1

check "there must be something to set" refuses 'nothing to set' ctl route set shop
check "a route that is not there cannot be set" refuses NOT_FOUND ctl route set nobody --window 3
check "a worker route is put" ctl route put crew --kind worker --timeout 30s
check "it takes no URL" refuses 'not for routes of its kind' ctl route set crew --url "$url"
check "and becomes no http route" refuses 'the route is of another kind' ctl route put crew --url "$url"
check "a program is none of an http route" \
    refuses EXEC_NOT_ALLOWED ctl route set shop -- /bin/true

for bad in "http://h:0/" "http://h:99999/" "http://h:/" "http:///x" "http://:80/" "http://[::1/" "h/x"; do
    check "no route has the URL $bad" refuses -- '--url' ctl route put bad --url "$bad"
done
check "a scheme is a scheme in capitals" ctl route put capitals --url "HTTP://127.0.0.1:$sink/" --secret $secret
check "and is delivered to" expires capitals third

check "a URL with credentials is put" \
    ctl route put private --url 'https://me:hush@h.example:8443/hook?token=hush#hush' --secret $secret
check "they are not shown" is private url '"https://***@h.example:8443/hook?***"'
check "nor in the table" sh -c "! timeout 60 '$build/orderctl' route list | grep hush"

printf -- '-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n' >"$dir/short.pem"
check "what is not a certificate is not trusted" \
    refuses 'PEM certificate' ctl route set shop --ca-file "$dir/short.pem"

failed_once() { # an order has failed and waits for an hour
    for _ in $(seq 100); do
        ctl get "$1" --history | grep -q 'attempt 1 failed' && return 0
        sleep 0.1
    done
    return 1
}
becomes_expired() {
    for _ in $(seq 50); do
        ctl get "$1" | grep -q EXPIRED && return 0
        sleep 0.1
    done
    ctl get "$1" --history
    return 1
}

closed=$((port + 4))
check "a route that leads nowhere is put" \
    ctl route put broken --url "http://127.0.0.1:$closed/" --secret $secret --retry 1h
ctl schedule waits-1 --in 10ms --route broken >/dev/null
ctl schedule waits-2 --in 10ms --route broken >/dev/null
check "its orders fail, and wait for an hour" failed_once waits-1
check "all of them" failed_once waits-2
check "another setting does not hurry them" ctl route set broken --window 7
sleep 0.5
check "they wait on" says CLOSING ctl get waits-1
check "its URL is repaired" ctl route set broken --url "$url"
check "they are delivered at once" becomes_expired waits-1
check "both" becomes_expired waits-2

check "another is put whose receiver is away" \
    ctl route put away --url "http://127.0.0.1:$closed/" --secret $secret --retry 1h
ctl schedule waits-3 --in 10ms --route away >/dev/null
check "its order fails" failed_once waits-3
"$build/ordersink" --listen "127.0.0.1:$closed" --secret $secret --journal "$dir/journal2" --quiet \
    2>"$dir/sink2.log" &
pids+=($!)
sleep 0.5
check "the receiver comes back, and the route is retried" ctl route retry-now away
check "its order is delivered at once" becomes_expired waits-3
check "a route that is not there is not" refuses NOT_FOUND ctl route retry-now nobody

echo "1..$number"
[ "$failures" -eq 0 ]
