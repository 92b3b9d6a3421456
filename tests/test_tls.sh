#!/bin/bash
# test_tls.sh - three machines with TLS, by the commands of README.md's section as they stand there: each
# machine a network namespace of this test's own. And strangers who come by.
# Runs beside others: waits 20 s.
#
#   tests/test_tls.sh [BUILD]     the directory with the programs, default: $BUILD or build
#
# Prints TAP. Needs root and iproute2's ip; skips itself without them.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
build=$(realpath "${1:-${BUILD:-build}}")
export PATH=$build:$PATH

if [ "$(id -u)" -ne 0 ] || ! command -v ip >/dev/null || ! ip netns add "osd-tls-$$" 2>/dev/null; then
    echo "ok 1 - three_machines # SKIP needs root and network namespaces"
    echo "1..1"
    exit 0
fi
scratch=$(mktemp -d)
# shellcheck source=tests/support/tap.sh
. tests/support/tap.sh
net="osd-tls-$$" # the switch; the machines are $net-1 and so on
pids=()
cleanup() {
    local i
    for i in "${pids[@]}"; do kill -KILL "$i" 2>/dev/null; done
    for i in 1 2 3 9; do ip netns del "$net-$i" 2>/dev/null; done
    ip netns del "$net" 2>/dev/null
    rm -rf "$scratch"
}
trap cleanup EXIT

on() { # MACHINE COMMAND...
    local machine=$1
    shift
    ip netns exec "$net-$machine" "$@"
}
machine() { # 10.0.0.N, at a bridge
    ip netns add "$net-$1" && ip -n "$net-$1" link set lo up &&
        ip -n "$net" link add "port$1" type veth peer name eth0 netns "$net-$1" &&
        ip -n "$net" link set "port$1" master switch up &&
        ip -n "$net-$1" addr add "10.0.0.$1/24" dev eth0 && ip -n "$net-$1" link set eth0 up
}
network() {
    ip -n "$net" link add switch type bridge && ip -n "$net" link set switch up &&
        machine 1 && machine 2 && machine 3 && machine 9
}

# The blocks of the section, one a file.
sed -n '/^## Three machines, with TLS/,/^## /p' README.md |
    awk -v dir="$scratch" '/^    / { if (!in_block) n++; in_block = 1; print substr($0, 5) > (dir "/block-" n); next }
        { in_block = 0 }'
# What each machine calls its own.
for i in 1 2 3; do
    sed "s/--id 1/--id $i/; s/node-1\./node-$i./g; s|/var/lib/orderschedd|$scratch/data-$i|" \
        "$scratch/block-2" >"$scratch/start-$i"
done

make_files() {
    mkdir "$scratch/pki" && cd "$scratch/pki" && . "$scratch/block-1" && cd - >/dev/null
}
hand_out() {
    local i
    for i in 1 2 3; do
        mkdir "$scratch/$i" && cp -p "$scratch/pki/"{ca.crt,"node-$i".*} "$scratch/$i" || return 1
    done
    mkdir "$scratch/9" && cp -p "$scratch/pki/"{ca.crt,client-till.*} "$scratch/9"
}
start_nodes() {
    local i
    for i in 1 2 3; do
        # The shell becomes the node, so that its pid is the node's.
        (cd "$scratch/$i" && sed '1s/^/exec /' "$scratch/start-$i" >run &&
            exec ip netns exec "$net-$i" bash ./run) >"$scratch/log-$i" 2>&1 &
        pids+=($!)
    done
}
client() { # what a shell with the section's settings says to these words
    (cd "$scratch/9" && on 9 bash -c '. "$1"; shift; "$@"' - "$scratch/settings" "$@") 2>&1
}
grep '^export' "$scratch/block-3" >"$scratch/settings"
settled() {
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        client bash -c "$(grep '^orderctl' "$scratch/block-3")" >"$scratch/status"
        grep -q '3 of 3 members up' "$scratch/status" &&
            grep -q 'leads' "$scratch/status" && return 0
        sleep 0.2
    done
    cat "$scratch/status" "$scratch"/log-*
    return 1
}
ctl() { client orderctl --cluster shop "$@"; }
says() { # PATTERN COMMAND...: what the command says matches
    local pattern=$1
    shift
    "$@" >"$scratch/said" 2>&1
    grep -qE -- "$pattern" "$scratch/said" || { cat "$scratch/said"; return 1; }
}
logs() { # MACHINE PATTERN: within ten seconds
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        grep -qE -- "$2" "$scratch/log-$1" && return 0
        sleep 0.1
    done
    cat "$scratch/log-$1"
    return 1
}

check the_machines_are_there network
check files_are_made_by_one_command_each make_files
check and_handed_out hand_out
start_nodes
check the_cluster_stands_after_the_commands_of_the_page settled
no_warning() { ! grep -qE 'insecure|certificate' "$scratch/status" || { cat "$scratch/status"; return 1; }; }
check nothing_is_insecure no_warning
doors() { says '"tls": *"on"' ctl -w json status && says '"tls_until_ms": *[0-9]{13}' ctl -w json status; }
check status_tells_tls_and_when_certificates_end doors
check a_route_is_put says 'r' ctl route put r --kind worker
check an_order_is_scheduled says 'PENDING' ctl schedule o-1 --in 1h --route r
check and_paid says 'PAID' ctl pay o-1

# --- who may do what ---

first_admin() { # on the machine whose node leads
    local i
    sed "s|/var/lib/orderschedd|\$DATA|" "$scratch/block-4" >"$scratch/first"
    for i in 1 2 3; do
        DATA=$scratch/data-$i on $i bash "$scratch/first" >>"$scratch/said" 2>&1 && return 0
    done
    cat "$scratch/said"
    return 1
}
switch_on() { # the page's commands; the last one prints the token
    client bash -e "$scratch/block-5" >"$scratch/said" || { cat "$scratch/said"; return 1; }
    token=$(grep -oE 'osdt_[A-Za-z0-9_-]{43}' "$scratch/said" | head -n 1) && [ -n "$token" ]
}
as_web() { # with the token, and the same certificate
    ORDERSCHED_TOKEN=$token client orderctl --cluster shop "$@"
}
check the_first_admin_is_named_by_the_owner_of_a_directory first_admin
check authorisation_is_switched_on_and_a_token_made switch_on
check the_admin_does_what_he_likes says 'web-1' ctl route put web-1 --kind worker
check the_token_schedules_on_its_routes says 'PENDING' as_web schedule o-2 --in 1h --route web-1
check and_pays says 'PAID' as_web pay o-2
check it_is_denied_other_routes says 'DENIED.*route' as_web schedule o-3 --in 1h --route r
check it_is_not_told_of_others_orders says 'NOT_FOUND' as_web get o-1
check nor_may_it_do_what_an_admin_does says 'DENIED.*admin' as_web auth off
guess() {
    ORDERSCHED_TOKEN=osdt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA client orderctl --cluster shop get o-2
}
check a_guess_at_a_token_is_denied says 'DENIED' guess
revoked() { ctl token revoke web && says 'DENIED' as_web get o-2; }
check a_revoked_token_is_denied revoked
audited() {
    says 'owner +local +grant put +.* OK' ctl audit --who owner &&
        says '[a-z]+ +10\.0\.0\.9 +route put +web-1 +OK' ctl audit &&
        says 'web +10\.0\.0\.9 +auth +- +DENIED' ctl audit --who web &&
        says '"operation": *"token revoke"' ctl -w json audit --what web
}
check all_of_it_is_in_the_audit_trail audited

# --- who may not come in ---

plain() {
    on 9 orderctl --timeout 3s --cluster shop --endpoints 10.0.0.1:7401,10.0.0.2:7401 get o-1
}
nobody() { ! plain >"$scratch/said" 2>&1 && ! grep -q PAID "$scratch/said"; }
check a_client_without_tls_gets_nothing nobody
check and_the_node_logs_it logs 1 'client connection refused.*what it sends is not TLS.*10.0.0.9'
shut_out() { # PORT CERTIFICATE KEY: TLS comes to nothing for this certificate
    sleep 1 # the log has a few lines a second
    (cd "$scratch" && on 9 timeout 20 openssl s_client -ign_eof -connect "10.0.0.1:$1" \
        -CAfile pki/ca.crt -verify_return_error ${2:+-cert "$2" -key "$3"}) >"$scratch/said" 2>&1 </dev/null
    grep -qE 'alert|errno=104|reset' "$scratch/said" || { cat "$scratch/said"; return 1; }
}
other_ca() {
    (cd "$scratch" && orderctl cert create-ca --cluster shop --out other &&
        orderctl cert client till --out other && orderctl cert node 2 --host 10.0.0.9 --out other)
}
check another_ca_of_the_same_name_is_made other_ca
check nobody_comes_without_a_certificate shut_out 7401
check nor_to_the_nodes shut_out 7400
check nor_with_one_of_another_ca shut_out 7401 other/client-till.crt other/client-till.key
check and_the_log_says_so logs 1 'was not signed by an authority'
check no_foreign_node_comes shut_out 7400 other/node-2.crt other/node-2.key
check no_client_comes_to_the_nodes shut_out 7400 pki/client-till.crt pki/client-till.key
check and_that_is_logged logs 1 'is of client till of cluster shop; only nodes may come here'
for_itself() { # a member asks on behalf of others, and is nobody itself
    ! client orderctl --cluster shop --endpoints 10.0.0.1:7401 --timeout 5s --tls-ca "$scratch/pki/ca.crt" \
        --tls-cert "$scratch/pki/node-2.crt" --tls-key "$scratch/pki/node-2.key" get o-1 >"$scratch/said" 2>&1 &&
        ! grep -q PAID "$scratch/said"
}
check a_node_does_nothing_for_itself_at_the_clients_port for_itself
check no_node_comes_to_the_http_port shut_out 7402 pki/node-2.crt pki/node-2.key
check nobody_comes_there_without_a_certificate shut_out 7402
check nor_with_one_of_another_ca_there shut_out 7402 other/client-till.crt other/client-till.key
wrong_ca() { ctl --timeout 3s --tls-ca "$scratch/other/ca.crt" get o-1; }
refused() { ! wrong_ca >"$scratch/said" 2>&1 && ! grep -q PAID "$scratch/said"; }
check a_client_believes_no_node_of_another_ca refused

# --- what does not do changes nothing ---

broken() {
    cp "$scratch/other/node-2.key" "$scratch/1/node-1.key" && kill -HUP "${pids[0]}" &&
        logs 1 'level=error.*the new ones do not do.*is not that of the certificate'
}
check a_key_of_another_certificate_is_complained_of broken
check and_the_node_goes_on says 'PAID' ctl --endpoints 10.0.0.1:7401 get o-1
renewed() {
    (cd "$scratch" && orderctl cert renew pki/node-1.crt && cp -p pki/node-1.key pki/node-1.crt 1/) &&
        kill -HUP "${pids[0]}" && logs 1 'were read again and are in force'
}
check a_renewed_certificate_is_taken_without_a_restart renewed
check and_clients_are_served_by_it says 'PAID' ctl --endpoints 10.0.0.1:7401 get o-1
bare() {
    on 9 orderschedd --data "$scratch/bare" --address 10.0.0.9:7400 >"$scratch/said" 2>&1
    [ $? -eq 2 ] && grep -q 'give --tls-cert, --tls-key and --tls-ca' "$scratch/said"
}
check without_tls_no_node_starts_off_the_loopback bare
ends() {
    local i
    for i in "${pids[@]}"; do kill -TERM "$i"; done
    for i in "${pids[@]}"; do wait "$i" || return 1; done
    pids=()
}
check the_nodes_stop_in_order ends

# --- a token instead of a certificate ---

bare_client() { # no certificate; with a token, if there is one
    (cd "$scratch/9" && export ORDERSCHED_TOKEN=${1:-} ORDERSCHED_TLS_CA=ca.crt && shift &&
        on 9 orderctl --timeout 5s --cluster shop \
            --endpoints 10.0.0.1:7401,10.0.0.2:7401,10.0.0.3:7401 "$@") 2>&1
}
start_for_tokens() {
    local i
    for i in 1 2 3; do sed -i '$s/$/ --tls-clients token/' "$scratch/start-$i"; done
    start_nodes && settled
}
makes_another() {
    ctl token create shop --role producer --routes 'web-*' --expires 1d >"$scratch/said" 2>&1
    token=$(grep -oE 'osdt_[A-Za-z0-9_-]{43}' "$scratch/said") || { cat "$scratch/said"; return 1; }
}
check the_cluster_starts_for_clients_with_tokens start_for_tokens
check a_token_is_made makes_another
check who_has_neither_is_denied says 'DENIED.*neither' bare_client '' get o-2
check a_token_will_do says 'PAID' bare_client "$token" get o-2
check for_what_it_is_for says 'DENIED' bare_client "$token" auth off
check a_certificate_of_another_ca_is_refused_all_the_same \
    shut_out 7401 other/client-till.crt other/client-till.key
check they_stop_in_order ends

echo "1..$number"
[ "$failures" -eq 0 ]
