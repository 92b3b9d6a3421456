#!/bin/bash
# test_route_keys.sh - one real node, whose webhooks are signed with ed25519 keys: receivers that know
# nothing but the public key verify them, a rotation has an overlap, and no private key is shown again.
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

port=$(free_port 6)
by_secret=$((port + 3)) by_first=$((port + 4)) by_second=$((port + 5))
secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw
export ORDERSCHED_ENDPOINTS=127.0.0.1:$((port + 1))
ctl_path=$(readlink -f "$build/orderctl")
ctl() { timeout 60 "$build/orderctl" --timeout 20s "$@"; }
refuses() { # words, then a command that fails
    local words=$1 said
    shift
    said=$("$@" 2>&1) && return 1
    echo "$said"
    grep -q -- "$words" <<<"$said"
}
sink() { # port, how it verifies
    "$build/ordersink" --listen "127.0.0.1:$1" --journal "$dir/journal-$1" --quiet "${@:2}" \
        2>>"$dir/sink-$1.log" &
    pids+=($!)
}
to() { ctl route set shop --url "http://127.0.0.1:$1/" >/dev/null; } # a port
ends() { # an order's id, how its delivery must end there
    ctl schedule "$1" --in 10ms --route shop >/dev/null || return 1
    for _ in $(seq 100); do
        ctl get "$1" --history | grep -q -- "$2" && return 0
        sleep 0.1
    done
    ctl get "$1" --history
    return 1
}
public_keys() { ctl route show shop | sed -n 's/^public_keys *//p'; }

"$build/orderschedd" --id 1 --data "$dir/data" --address "127.0.0.1:$port" 2>"$dir/node.log" &
pids+=($!)

# ---- a key of its own ----

ctl route put shop --url "http://127.0.0.1:$by_first/" --secret $secret --retry 50ms \
    --attempts 1000 --signing-key new >"$dir/put"
first=$(grep -o 'whpk_[A-Za-z0-9+/=]*' "$dir/put")
check "a put makes a key, and shows its public half alone" \
    sh -c "[ ${#first} = 49 ] && ! grep -q whsk_ '$dir/put'"
check "route show has the public key" [ "$(public_keys)" = "$first" ]
check "route list has it as JSON" sh -c "'$build/orderctl' -w json route list | grep -qF '\"$first\"'"
check "and no private one, in any form" \
    sh -c "! { '$build/orderctl' -w json route list; '$build/orderctl' route show shop; \
        '$build/orderctl' route list; } | grep -E 'whsk_|whsec_'"
sink $by_secret --secret $secret
sink $by_first --public-key "$first"
check "who knows the public key alone verifies" ends order-1 EXPIRED
to $by_secret
check "who knows the secret alone verifies the same route" ends order-2 EXPIRED
check "a batch is signed as well" \
    sh -c "'$build/orderctl' route set shop --batch 10 --url http://127.0.0.1:$by_first/ >/dev/null"
check "and verified" ends order-3 EXPIRED

# ---- rotation ----

ctl -w json route rotate shop --signing-key new >"$dir/rotate"
second=$(grep -o 'whpk_[A-Za-z0-9+/=]*' "$dir/rotate")
sink $by_second --public-key "$second"
check "a rotation makes another key, and keeps the first behind it" \
    [ "$(public_keys)" = "$second, $first" ]
check "the secrets stay" sh -c "'$build/orderctl' route show shop | grep -qx 'secrets  *1'"
check "who knows the first public key still verifies" ends order-4 EXPIRED
to $by_second
check "and who knows the second" ends order-5 EXPIRED
check "the new key is named by its public half, and the overlap ends" \
    ctl route rotate shop --signing-key "$second" --keep 0
check "the second key is left" [ "$(public_keys)" = "$second" ]
check "and signs" ends order-7 EXPIRED
check "the first is not there to be named" refuses 'no such key' \
    ctl route rotate shop --signing-key "$first"
check "a new key with --keep 0 has no overlap" \
    sh -c "'$build/orderctl' route rotate shop --signing-key new --keep 0 >'$dir/third'"
third=$(grep -o 'whpk_[A-Za-z0-9+/=]*' "$dir/third")
check "one key is left" [ "$(public_keys)" = "$third" ]
check "what it signs the second does not verify" ends order-6 'failed.*401'
to $by_secret
check "rotating the secret leaves the key" \
    sh -c "'$build/orderctl' route rotate shop --secret $secret --keep 0 >/dev/null"
check "it is there" [ "$(public_keys)" = "$third" ]

# ---- what is refused ----

check "a receiver needs something to verify with" refuses 'public-key is required' \
    "$build/ordersink" --listen 127.0.0.1:0 --journal "$dir/none"
check "a private key is no public one, and is not repeated" refuses 'not "\*\*\*"' \
    "$build/ordersink" --listen 127.0.0.1:0 --journal "$dir/none" --public-key whsk_hush
check "what is no key is refused without repeating it" refuses 'number 1 is neither "new" nor' \
    ctl route set shop --signing-key whsk_hush
check "not even in part" sh -c "! '$build/orderctl' route set shop --signing-key whsk_hush 2>&1 | grep hush"
check "a secret and a key are not rotated at once" refuses 'one after the other' \
    ctl route rotate shop --signing-key new --secret $secret
check "an unknown route has nothing to show" refuses NOT_FOUND ctl route show nowhere

# ---- a certificate to show ----

mkdir -m 700 "$dir/certs"
(cd "$dir/certs" && "$ctl_path" cert create-ca --cluster shop && "$ctl_path" cert client one &&
    "$ctl_path" cert client two) >/dev/null
one=$dir/certs/client-one two=$dir/certs/client-two
check "a route is given a certificate and its key" \
    ctl route put mutual --url https://127.0.0.1:1/ --client-cert "$one.crt" --client-key "$one.key"
check "its length is shown" sh -c "'$build/orderctl' route show mutual | grep -q client_cert_pem_bytes"
check "and nothing of either" \
    sh -c "! '$build/orderctl' -w json route list | grep -E 'BEGIN|client_key|$(sed -n 2p "$one.key")'"
check "they go together" refuses 'go together' ctl route set mutual --client-cert "$two.crt"
check "a key of another certificate is refused" refuses 'not the key of' \
    ctl route set mutual --client-cert "$one.crt" --client-key "$two.key"
check "what is no certificate is refused" refuses 'no PEM certificate' \
    ctl route set mutual --client-cert "$one.key" --client-key "$one.key"
check "what is no key is refused" refuses 'no PEM private key' \
    ctl route set mutual --client-cert "$one.crt" --client-key "$one.crt"
check "plain HTTP shows none" refuses 'whose URL is https' \
    ctl route put plain --url http://127.0.0.1:1/ --client-cert "$one.crt" --client-key "$one.key"
check "both are exchanged" ctl route set mutual --client-cert "$two.crt" --client-key "$two.key"
check "and taken away" ctl route set mutual --client-cert none --client-key none
check "then there is none" sh -c "! '$build/orderctl' route show mutual | grep client_cert"

# ---- a node that comes back ----

kill -TERM "${pids[0]}"
wait "${pids[0]}" 2>/dev/null
"$build/orderschedd" --id 1 --data "$dir/data" --address "127.0.0.1:$port" 2>>"$dir/node.log" &
pids[0]=$!
check "the key is the same after a restart" [ "$(public_keys)" = "$third" ]
check "no log line of the node has a key or a secret" \
    sh -c "! grep -E 'whsk_|whsec_' '$dir/node.log'"

echo "1..$number"
[ "$failures" -eq 0 ]
