#!/bin/bash
# test_orderctl_cert.sh - orderctl cert: what it makes is what OpenSSL takes for good, on disk as it should
# be; what it refuses; renewals that are killed, and that meet; and the commands of docs/security.md.
# Runs beside others: waits 15 s.
#
#   tests/test_orderctl_cert.sh [BUILD]     the directory with the programs, default: $BUILD or build
#
# Prints TAP. Skipped, with the reason, where the openssl command is not installed.
# shellcheck disable=SC2012,SC2016 # the names are ours, and `check eval` has texts to be expanded later
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:-${BUILD:-build}}
case $build in /*) ;; *) build=$PWD/$build ;; esac
page=$PWD/docs/security.md
tests=$PWD/tests
scratch=$(mktemp -d)
trap 'chmod -R u+rwX "$scratch"; rm -rf "$scratch"' EXIT
# shellcheck source=tests/support/tap.sh
. tests/support/tap.sh
explain() { sed 's/^/out: /' "$scratch/out" 2>/dev/null; }

if ! command -v openssl >/dev/null; then
    echo "1..0 # SKIP openssl is not installed"
    exit 0
fi
unset ORDERSCHED_ENDPOINTS
mkdir "$scratch/work" && cd "$scratch/work" || exit 1

# Both streams go to one file.
cert() { timeout 30 "$build/orderctl" cert "$@" >"$scratch/out" 2>&1 </dev/null; }
# ends EXIT REGEX ARGUMENT...: the exit code, and what is said.
ends() {
    local want=$1 regex=$2 got
    shift 2
    cert "$@"
    got=$?
    [ "$got" = "$want" ] || { echo "exit code $got, not $want" && return 1; }
    grep -Eq -- "$regex" "$scratch/out" || { echo "it does not say: $regex" && return 1; }
}
mode() { stat -c %a "$1"; }
is() { [ "$1" = "$2" ] || { printf 'got:    %s\nwanted: %s\n' "$1" "$2" && return 1; }; }
text() { openssl x509 -in "$1" -noout -text; }
has() { text "$1" | grep -Eq -- "$2" || { echo "$1 has no $2" && text "$1" && return 1; }; }
# What stands in the line below a heading of openssl's text.
below() { text "$1" | sed -n "/$2/{n;s/^ *//p}"; }
public_of_key() { openssl pkey -in "$1" -pubout 2>/dev/null; }
public_of_crt() { openssl x509 -in "$1" -noout -pubkey 2>/dev/null; }
fit() { # STEM: certificate and key belong together
    local of_key
    of_key=$(public_of_key "$1.key") && [ -n "$of_key" ] && [ "$of_key" = "$(public_of_crt "$1.crt")" ]
}
verify() { openssl verify -x509_strict "$@" >/dev/null; }
json() { # KEY VALUE: stands in what was said
    grep -Eq "\"$1\": $2(,|\$)" "$scratch/out" || { echo "no \"$1\": $2" && return 1; }
}

# ---- what is made ----

check a_ca_is_made ends 0 'ca.crt: the certificate of the CA of cluster shop, until ' create-ca --cluster shop --out a
check its_directory_is_for_its_owner_alone is "$(mode a)" 700
check its_key_is_for_its_owner_alone is "$(mode a/ca.key)" 600
check its_certificate_is_for_everybody is "$(mode a/ca.crt)" 644
check it_may_sign_certificates_and_nothing_below_them is "$(below a/ca.crt 'Basic Constraints: critical')" \
    'CA:TRUE, pathlen:0'
check it_may_do_nothing_else is "$(below a/ca.crt 'Key Usage: critical')" 'Certificate Sign, CRL Sign'
check it_says_of_which_cluster_it_is is "$(below a/ca.crt 'Subject Alternative Name')" 'URI:spiffe://shop'
check it_is_of_version_3 has a/ca.crt 'Version: 3 '
check its_key_is_on_p_256 has a/ca.crt 'NIST CURVE: P-256'
check it_is_signed_over_sha_256 has a/ca.crt 'Signature Algorithm: ecdsa-with-SHA256'
check it_is_good_for_openssl verify -CAfile a/ca.crt a/ca.crt
check nothing_is_left_behind is "$(ls a | paste -sd ' ')" 'ca.crt ca.key'

check a_node_is_made ends 0 'node-7.crt: the certificate of node 7 of cluster shop' \
    node 7 --host Node7.Example,10.0.0.7,fd00::7,node7.example --out a
check its_names_are_its_own_the_clusters_and_each_host_once is "$(below a/node-7.crt 'Subject Alternative Name')" \
    'URI:spiffe://shop/node/7, DNS:shop.orderschedd, DNS:node7.example, IP Address:10.0.0.7, IP Address:FD00:0:0:0:0:0:0:7'
check it_is_for_servers_and_clients is "$(below a/node-7.crt 'Extended Key Usage')" \
    'TLS Web Server Authentication, TLS Web Client Authentication'
check it_is_no_ca is "$(below a/node-7.crt 'Basic Constraints: critical')" CA:FALSE
check a_nodes_key_is_for_its_owner_alone is "$(mode a/node-7.key) $(mode a/node-7.crt)" '600 644'
check its_key_is_its_certificates fit a/node-7
check it_is_good_for_a_server verify -CAfile a/ca.crt -purpose sslserver -verify_hostname shop.orderschedd a/node-7.crt
check it_is_good_for_a_server_by_its_address verify -CAfile a/ca.crt -purpose sslserver -verify_ip 10.0.0.7 a/node-7.crt
check it_is_good_for_a_client verify -CAfile a/ca.crt -purpose sslclient a/node-7.crt
check a_host_that_it_has_not_is_refused eval '! verify -CAfile a/ca.crt -verify_hostname other.example a/node-7.crt 2>/dev/null'

check a_client_is_made ends 0 'client-till.4.crt: the certificate of client till.4 of cluster shop' client till.4 --out a
check its_name_is_its_only_one is "$(below a/client-till.4.crt 'Subject Alternative Name')" 'URI:spiffe://shop/client/till.4'
check it_is_for_clients is "$(below a/client-till.4.crt 'Extended Key Usage')" 'TLS Web Client Authentication'
check a_client_is_good_for_a_client verify -CAfile a/ca.crt -purpose sslclient a/client-till.4.crt
check a_client_is_no_server eval '! verify -CAfile a/ca.crt -purpose sslserver a/client-till.4.crt 2>/dev/null'
serials() { for f in a/*.crt; do openssl x509 -in "$f" -noout -serial; done; }
check serial_numbers_are_long_and_differ is \
    "$(serials | sort -u | awk 'length($0) > 7 + 24 { n++ } END { print n }')" 3

dates() { # from openssl, in seconds
    date -d "$(openssl x509 -in "$1" -noout "-$2" | cut -d= -f2)" +%s
}
lasts() { # FILE DAYS, within a minute of now
    local off=$(($(dates "$1" enddate) - $(date +%s) - $2 * 86400))
    [ ${off#-} -lt 60 ] || { echo "off by $off s" && return 1; }
}
check a_ca_lasts_ten_years lasts a/ca.crt 3650
check a_node_lasts_397_days lasts a/node-7.crt 397
check a_client_lasts_as_long_as_is_asked_for eval 'cert client brief --valid 2d --out a && lasts a/client-brief.crt 2'
check it_begins_earlier_for_slow_clocks eval '[ "$(dates a/node-7.crt startdate)" -lt $(($(date +%s) - 1800)) ]'
check a_ca_of_ten_days ends 0 . create-ca --cluster brief --valid 10d --out brief
check what_it_signs_ends_with_it_and_that_is_said ends 0 'note: it ends with its CA, at 20' node 1 --host a --out brief
check and_so_it_is is "$(dates brief/node-1.crt enddate)" "$(dates brief/ca.crt enddate)"

check a_ca_of_a_hundred_years eval 'cert create-ca --valid 36500d --out long && lasts long/ca.crt 36500 && verify -CAfile long/ca.crt long/ca.crt'
check a_ca_of_another_directory_signs ends 0 'out/node-1.crt' node 1 --host n1 --ca a --out out
check only_the_pair_comes_there is "$(ls out | paste -sd ' ')" 'node-1.crt node-1.key'
check here_is_the_directory_unless_another_is_named eval '(mkdir here && cd here && cert create-ca) && [ -e here/ca.crt ]'
check the_cluster_is_orderschedd_unless_another_is_named is "$(below here/ca.crt 'Subject Alternative Name')" \
    URI:spiffe://orderschedd

check a_umask_of_000_opens_nothing eval \
    '(umask 000; cert create-ca --out u0; cert node 1 --host a --out u0); is "$(mode u0) $(stat -c %a u0/* | paste -sd " ")" "700 644 600 644 600"'
check a_umask_of_077_closes_no_certificate eval \
    '(umask 077; cert create-ca --out u7); is "$(mode u7) $(stat -c %a u7/* | paste -sd " ")" "700 644 600"'

# ---- wrong input ----

check a_node_needs_a_number ends 2 'node id must be a number of 1 or more, not "x"' node x --host a --out a
check a_node_of_0 ends 2 'node id must be a number' node 0 --host a --out a
check a_node_needs_a_host ends 2 '--host HOST is missing' node 1 --out a
for host in '' 'a,' 'a,,b' 'a:7400' '[::1]' 'http://a' '*.shop' 'a b' '10.0.0.256' '1.2.3' '0.0.0.0' '::' '-a' 'a..b' \
    'ä.example' "$(printf 'x%.0s' $(seq 64))" "$(printf 'x.%.0s' $(seq 130))y"; do
    check "no host: \"${host:0:20}\"" ends 2 -- node 8 --host "$host" --out a
done
check a_bad_host_leaves_nothing eval '[ ! -e a/node-8.crt ] && [ ! -e a/node-8.key ]'
check a_port_is_named ends 2 '"a:7400" is no host: a host has no port' node 1 --host a:7400 --out a
check too_many_hosts ends 2 'at most 64 hosts' node 1 --host "$(seq -s, -f 'h%g' 65)" --out a
check a_client_needs_a_name ends 2 'missing argument: NAME' client --out a
for name in '' a/b ../x 'a b' ä "$(printf 'x%.0s' $(seq 65))"; do
    check "no client: \"${name:0:20}\"" ends 2 "a client's name has 1 to 64" client "$name" --out a
done
check a_cluster_of_slashes ends 2 'cluster: a name that certificates carry' create-ca --cluster a/b --out x
check no_time_at_all ends 2 'valid must be a duration from 1s' create-ca --valid 0s --out x
check a_time_without_a_unit ends 2 'valid must be a duration' create-ca --valid 10 --out x
check a_time_beyond_a_life ends 2 'to 36500d' create-ca --valid 36501d --out x
check none_of_these_made_a_directory eval '[ ! -e x ]'
check no_ca_is_named ends 1 'NO_CA: there is no empty/ca.crt: make a CA with: orderctl cert create-ca' node 1 --host a --out empty
check no_ca_makes_no_directory eval '[ ! -e empty ]'
check a_directory_above_must_be_there ends 1 'FILE_ERROR: the directory no/such cannot be made: No such file' create-ca --out no/such
check a_file_is_no_directory eval 'touch file && ends 1 "FILE_ERROR: the directory file cannot be opened: Not a dir" create-ca --out file'
check a_ca_without_its_key eval 'mkdir keyless && cp a/ca.crt keyless && ends 1 "NO_CA: .*not its key, keyless/ca.key" client c --out keyless'
check another_clusters_ca ends 1 'WRONG_CLUSTER: a/ca.crt is the CA of cluster shop, not of bank' node 1 --host a --cluster bank --out a
check another_cas_key eval 'mkdir mixed && cp a/ca.crt mixed && cp here/ca.key mixed && ends 1 "KEY_MISFIT: mixed/ca.key is not the key of mixed/ca.crt" client c --out mixed'
check a_key_of_rubbish eval 'echo rubbish >mixed/ca.key && ends 1 "BAD_KEY: mixed/ca.key has no PEM private key" client c --out mixed'
check a_key_under_a_passphrase_asks_nobody eval \
    'openssl pkey -in a/ca.key -aes256 -passout pass:x -out mixed/ca.key && ends 1 "BAD_KEY: mixed/ca.key is under a passphrase" client c --out mixed'
check a_certificate_of_rubbish eval 'echo rubbish >mixed/ca.crt && ends 1 "BAD_CERTIFICATE: mixed/ca.crt has no PEM certificate" client c --out mixed'
check a_certificate_cut_short eval 'head -c 300 a/ca.crt >mixed/ca.crt && ends 1 "BAD_CERTIFICATE" client c --out mixed'
check a_node_is_no_ca eval 'mkdir leaf && cp a/node-7.crt leaf/ca.crt && cp a/node-7.key leaf/ca.key && ends 1 "BAD_CERTIFICATE: leaf/ca.crt is no CA" client c --out leaf'
check a_file_that_never_ends eval 'mkdir zero && ln -s /dev/zero zero/ca.crt && touch zero/ca.key && ends 1 "FILE_ERROR: zero/ca.crt has more than 1048576 bytes" client c --out zero'
check a_pipe_that_nobody_writes_to eval 'mkdir fifo && mkfifo fifo/ca.crt && touch fifo/ca.key && ends 1 "BAD_CERTIFICATE: fifo/ca.crt has no PEM certificate" client c --out fifo'
check an_open_ca_key_is_told eval 'cp -r a open && chmod 644 open/ca.key && ends 0 "note: others than its owner may read ca.key in open" client c --out open'
check an_open_directory_is_told eval 'chmod 777 open && ends 0 "note: others than its owner may write to the directory open" client d --out open'
check no_cluster_is_asked eval 'ORDERSCHED_ENDPOINTS=nowhere ends 0 . client e --out open'

# Two CAs in one file while one takes the other's place: the one whose key is there signs.
check the_ca_of_the_key_signs eval \
    'mkdir two && cat here/ca.crt a/ca.crt >two/ca.crt && cp a/ca.key two && cert client c --out two && verify -CAfile a/ca.crt two/client-c.crt'

# ---- what is there stays ----

sum() { sha256sum "$@" | cut -c1-64 | paste -sd ' '; }
before=$(sum a/ca.crt a/ca.key a/node-7.crt a/node-7.key)
check a_ca_is_not_overwritten ends 1 'EXISTS: a/ca.crt is there already; what it signed would be void' create-ca --out a
check a_node_is_not_overwritten ends 1 'EXISTS: a/node-7.crt is there already; for a new one with the same names: orderctl cert renew' node 7 --host a --out a
check they_are_what_they_were is "$(sum a/ca.crt a/ca.key a/node-7.crt a/node-7.key)" "$before"
check a_key_alone_is_not_overwritten eval 'mkdir alone && echo precious >alone/ca.key && ends 1 "EXISTS: alone/ca.key is there" create-ca --out alone && [ "$(cat alone/ca.key)" = precious ]'
check a_link_to_nowhere_is_not_followed eval 'mkdir link && ln -s ../stolen link/ca.key && ends 1 "EXISTS: link/ca.key" create-ca --out link && [ ! -e stolen ]'
check nor_with_force ends 1 'FILE_ERROR: link/ca.key is a symbolic link, which is not replaced' create-ca --force --out link
check and_nothing_came_of_it eval '[ ! -e stolen ] && is "$(ls link)" ca.key'
check a_link_in_the_place_of_a_new_file_is_not_followed eval \
    'mkdir planted && ln -s ../stolen planted/ca.key.orderctl-new && cert create-ca --out planted && [ ! -e stolen ] && [ ! -L planted/ca.key ] && is "$(ls planted | paste -sd " ")" "ca.crt ca.key"'
check force_replaces_and_keeps eval \
    'cp -r a forced && ends 0 "kept: forced/ca.crt.old, forced/ca.key.old" create-ca --cluster shop --force --out forced && is "$(sum forced/ca.crt.old forced/ca.key.old)" "$(sum a/ca.crt a/ca.key)"'
check forced_again_it_keeps_both eval \
    'cert create-ca --cluster shop --force --out forced && is "$(sum forced/ca.key.old)" "$(sum a/ca.key)" && [ -e forced/ca.key.old-2 ] && fit forced/ca'

# ---- renew ----

names() { below "$1" 'Subject Alternative Name'; }
cp -r a r
check a_renewal ends 0 'kept: r/node-7.crt.old, r/node-7.key.old' renew r/node-7.crt
check it_keeps_the_names is "$(names r/node-7.crt)" "$(names a/node-7.crt)"
check it_has_another_key eval '! cmp -s r/node-7.key a/node-7.key'
check the_new_pair_fits fit r/node-7
check the_new_one_is_good verify -CAfile r/ca.crt -purpose sslserver -verify_hostname shop.orderschedd r/node-7.crt
check the_old_ones_are_kept is "$(sum r/node-7.crt.old r/node-7.key.old)" "$(sum a/node-7.crt a/node-7.key)"
check a_second_renewal_keeps_them_too eval \
    'cert renew r/node-7.crt && is "$(sum r/node-7.key.old)" "$(sum a/node-7.key)" && [ -e r/node-7.key.old-2 ]'
check the_key_can_stay eval 'cert renew r/client-till.4.crt --keep-key --valid 3d && cmp r/client-till.4.key a/client-till.4.key && fit r/client-till.4 && lasts r/client-till.4.crt 3'
check a_ca_is_not_renewed_by_accident ends 1 'r/ca.crt is a CA, and with a new key all that it signed would be void' renew r/ca.crt
check a_ca_is_extended_under_its_key eval 'cert renew brief/ca.crt --keep-key && lasts brief/ca.crt 3650 && verify -CAfile brief/ca.crt brief/node-1.crt'
check who_may_read_it_stays eval 'chmod 640 r/node-7.key && chmod 600 r/node-7.crt && cert renew r/node-7.crt && is "$(mode r/node-7.key) $(mode r/node-7.crt)" "640 600"'
check an_open_key_is_closed eval 'chmod 666 r/node-7.key && cert renew r/node-7.crt && is "$(mode r/node-7.key)" 640'
check without_the_old_key eval 'rm r/node-7.key && cert renew r/node-7.crt && fit r/node-7'
check another_ca_signs_and_that_is_told ends 0 'another CA had signed the old one' renew r/node-7.crt --ca forced
check another_clusters_ca_does_not ends 1 'WRONG_CLUSTER: here/ca.crt is the CA of cluster orderschedd, not of shop' renew r/node-7.crt --ca here
check nor_what_is_of_another_cluster ends 1 'WRONG_CLUSTER: r/node-7.crt is of cluster shop, not of bank' renew r/node-7.crt --cluster bank
check a_renewal_of_a_key ends 2 'must be called NAME.crt, with its key beside it' renew r/node-7.key
check a_renewal_of_nothing ends 1 'FILE_ERROR: r/node-9.crt cannot be read: No such file' renew r/node-9.crt
check a_key_that_is_anothers_is_not_kept eval \
    'cp r/client-till.4.key r/client-brief.key && ends 1 "KEY_MISFIT: r/client-brief.key" renew r/client-brief.crt --keep-key'
check a_chain_is_not_renewed eval 'cat a/node-7.crt a/ca.crt >r/node-8.crt && ends 1 "holds 2 certificates" renew r/node-8.crt'
check a_link_is_not_renewed eval 'ln -s client-till.4.crt r/link.crt && ends 1 "r/link.crt is a symbolic link" renew r/link.crt && [ -L r/link.crt ]'
check a_renewal_in_the_present_directory eval '(cd r && cert renew node-7.crt && [ -z "$(ls | grep -v -e "^ca" -e "^node" -e "^client" -e "^link")" ])'

# Killed at each of its steps: what is there then, or is there after the next one, is a pair that fits, and the
# first key is kept.
killed() { # SETUP COMMAND...: N goes up until it is not killed
    local setup=$1 n
    shift
    for ((n = 1; n < 100; n++)); do
        rm -rf k
        $setup
        KILLED_AT=$n LD_PRELOAD="$build/killed_at_call.so${LD_PRELOAD:+:$LD_PRELOAD}" cert "$@" && break
        after_kill "$n" || return 1
    done
    echo "$n steps" >"$scratch/out"
    [ "$n" -gt 4 ] && [ "$n" -lt 100 ]
}
kept_somewhere() { # KEY
    local f
    for f in k/node-7.key*; do cmp -s "$f" "$1" && return; done
    return 1
}
setup_renew() { cp -r a k; }
setup_create() { mkdir k && cp a/ca.* k; }
healed=0
after_kill() {
    if [ "$setup" = setup_renew ]; then
        kept_somewhere a/node-7.key || { echo "killed at $1: the old key is lost" && return 1; }
        fit k/node-7 || healed=$((healed + 1))
        cert renew k/node-7.crt || { echo "killed at $1: not renewed" && return 1; }
        kept_somewhere a/node-7.key || { echo "killed at $1: the old key is lost later" && return 1; }
        is "$(names k/node-7.crt)" "$(names a/node-7.crt)" || return 1
    elif ! cert node 7 --host b --out k; then
        grep -q EXISTS "$scratch/out" || return 1
    fi
    fit k/node-7 && verify -CAfile a/ca.crt k/node-7.crt && [ -z "$(find k -name '*new')" ] && return
    echo "killed at $1: no good pair"
    return 1
}
if [ -e "$build/killed_at_call.so" ]; then
    check a_killed_renewal_loses_nothing killed setup_renew renew k/node-7.crt
    check only_between_the_two_moves_a_pair_did_not_fit is "$healed" 1
    check a_node_that_is_killed_while_it_is_made_can_be_made killed setup_create node 7 --host b --out k
    recovered() {
        rm -rf k && cp -r a k
        for ((n = 1; n < 100; n++)); do
            KILLED_AT=$n LD_PRELOAD=$build/killed_at_call.so cert renew k/node-7.crt
            fit k/node-7 || break
        done
        cmp k/node-7.crt a/node-7.crt || return 1 # the key comes first, the certificate last
        ends 0 'does not fit' show k/node-7.crt && grep -q 'warning: the key beside it is another' "$scratch/out" &&
            ends 0 'note: an earlier attempt was interrupted' renew k/node-7.crt
    }
    check a_half_pair_is_told_and_mended recovered
fi

together() { # many at once, of one pair: each is done, and the pair fits all the time or after a moment
    local i pids=() failures=0
    rm -rf k && cp -r a k
    for i in $(seq 8); do
        timeout 60 "$build/orderctl" cert renew k/node-7.crt >>"$scratch/together" 2>&1 &
        pids+=($!)
    done
    for i in "${pids[@]}"; do wait "$i" || failures=$((failures + 1)); done
    cp "$scratch/together" "$scratch/out"
    is "$failures" 0 && fit k/node-7 && is "$(ls k/node-7.key.old* | wc -l)" 8 && cmp k/node-7.key.old a/node-7.key
}
check eight_renewals_at_once_come_one_after_the_other together
at_once() { # of eight that make one node, one does
    local i pids=() done=0
    rm -rf k && mkdir k && cp a/ca.* k
    for i in $(seq 8); do
        timeout 60 "$build/orderctl" cert node 7 --host a --out k >>"$scratch/at_once" 2>&1 &
        pids+=($!)
    done
    for i in "${pids[@]}"; do wait "$i" && done=$((done + 1)); done
    cp "$scratch/at_once" "$scratch/out"
    is "$done" 1 && fit k/node-7
}
check of_eight_that_make_one_node_one_does at_once
busy() {
    (flock -x 9 && exec sleep 30) 9<k &
    local holder=$! rv
    while flock -n k true; do sleep 0.02; done
    ends 1 'BUSY: another orderctl cert works in k' renew k/node-7.crt
    rv=$?
    kill $holder
    wait $holder 2>/dev/null
    return $rv
}
check a_directory_in_use_is_named busy

# ---- disks and directories that do not take it ----

no_room() { # a file may have no bytes: as with a full disk, writing fails
    rm -rf k && cp -r a k
    local said rv
    said=$(trap '' XFSZ; ulimit -f 0; timeout 30 "$build/orderctl" cert renew k/node-7.crt 2>&1)
    rv=$?
    echo "$said" >"$scratch/out"
    is "$rv" 1 && grep -q 'FILE_ERROR: k/node-7.key.orderctl-new cannot be written: File too large' <<<"$said" &&
        is "$(sum k/node-7.crt k/node-7.key)" "$(sum a/node-7.crt a/node-7.key)" && is "$(ls k)" "$(ls a)"
}
check a_full_disk_changes_nothing no_room
# As somebody who may not: root may everything.
run_as() { "$@"; }
if [ "$(id -u)" = 0 ]; then
    run_as() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
fi
as_nobody() { # WANTED REGEX ARGUMENT...
    local want=$1 regex=$2
    shift 2
    run_as timeout 30 "$scratch/orderctl" cert "$@" >"$scratch/out" 2>&1
    is "$?" "$want" && grep -Eq -- "$regex" "$scratch/out"
}
chmod 755 "$scratch" "$scratch/work"
cp "$build/orderctl" "$scratch/orderctl"
cp -r a ro
chmod 644 ro/* && chmod 555 ro
check a_directory_that_is_not_writable as_nobody 1 'FILE_ERROR: ro/client-x.key.orderctl-new cannot be created: Permission denied' client x --out ro
check nor_is_one_made_there as_nobody 1 'FILE_ERROR: the directory ro/new cannot be made: Permission denied' client x --ca ro --out ro/new
chmod 000 ro/ca.key
check an_unreadable_key as_nobody 1 'FILE_ERROR: ro/ca.key cannot be read: Permission denied' client x --out ro
if [ "$(id -u)" = 0 ]; then
    cp -r a owned
    chmod 700 owned && chown -R 65534:65534 owned
    check root_leaves_a_file_to_its_owner eval 'cert renew owned/node-7.crt && is "$(stat -c %u:%g:%a owned/node-7.key)" 65534:65534:600'
    chown 0:0 owned/node-7.* && chmod 644 owned/node-7.*
    check whoever_cannot_is_refused as_nobody 1 'would not belong to user 0 and group 0 any more' renew owned/node-7.crt
    check and_it_is_what_it_was eval 'is "$(stat -c %u:%g owned/node-7.key)" 0:0 && fit owned/node-7'
fi

# ---- the clock ----

le64() { # little-endian
    local i
    # shellcheck disable=SC2059 # the format is the byte
    for i in 0 8 16 24 32 40 48 56; do printf "\\x$(printf %02x $((($1 >> i) & 255)))"; done
}
at_days() { at $(($1 * 86400)) "${@:2}"; }
at() { # SECONDS from now, COMMAND...
    le64 $(($1 * 1000000)) >"$scratch/clock"
    shift
    CLOCK_SHIM_FILE=$scratch/clock LD_PRELOAD="$build/clock_shim.so${LD_PRELOAD:+:$LD_PRELOAD}" "$@"
}
if [ -e "$build/clock_shim.so" ]; then
    check an_expired_ca_signs_nothing at_days 4000 ends 1 'CA_EXPIRED: the CA in a expired at 20' client x --out a
    check nor_one_that_is_not_valid_yet at_days -3 ends 1 "CA_EXPIRED: the CA in a is not valid before 20.*is this machine's clock right" client x --out a
    check by_a_slower_clock_it_signs_nothing_that_begins_before_it eval \
        'at -1800 cert client slow --out brief && is "$(dates brief/client-slow.crt startdate)" "$(dates brief/ca.crt startdate)"'
    check an_expired_node_is_told at_days 398 ends 0 'warning: it has expired: orderctl cert renew' show a/node-7.crt
    check one_that_soon_expires_is_told at_days 368 ends 0 'warning: it expires in less than 30 days' show a/node-7.crt
    check one_that_does_not_is_not eval 'at_days 366 ends 0 . show a/node-7.crt && ! grep -q warning "$scratch/out"'
    check a_clock_that_was_never_set eval 'at_days $((-$(date +%s) / 86400)) ends 0 "until 1979-12-" create-ca --out never'
    check an_expired_node_can_be_renewed eval 'rm -rf k && cp -r a k && at_days 398 cert renew k/node-7.crt && fit k/node-7'
fi

# ---- show ----

check a_node_is_shown ends 0 '^of +node 7$' show a/node-7.crt
for row in 'cluster +shop' 'names +URI spiffe://shop/node/7' ' +DNS shop.orderschedd' ' +IP fd00::7' \
    'for +TLS server and client' 'left +396d 23h' 'key +ECDSA P-256; node-7.key fits' 'subject +CN=node 7,O=shop' \
    'issuer +CN=orderschedd CA [0-9a-f]{8},O=shop' 'signature +ecdsa-with-SHA256'; do
    check "its row: ${row/ +/ }" ends 0 "^$row\$" show a/node-7.crt
done
print_of() { openssl x509 -in "$1" -noout -fingerprint -sha256 | cut -d= -f2; }
check its_fingerprint_is_that_of_openssl ends 0 "^SHA-256 +$(print_of a/node-7.crt)\$" show a/node-7.crt
check its_serial_number_is_that_of_openssl ends 0 "^serial +$(openssl x509 -in a/node-7.crt -noout -serial | cut -d= -f2)\$" show a/node-7.crt
check nothing_is_wrong_with_what_is_made_here eval \
    '(for f in a/*.crt; do ends 0 . show "$f" && ! grep -q "warning: " "$scratch/out" || [ "$f" = a/client-brief.crt ] || exit 1; done)'
check a_node_as_json ends 0 '"command": "cert show"' show a/node-7.crt -w json
check its_owner eval 'json use "\"node\"" && json node 7 && json cluster "\"shop\""'
check its_times eval "json days_left 396 && json valid_until_ms $(dates a/node-7.crt enddate)000"
check its_fingerprint json fingerprint "\"$(print_of a/node-7.crt)\""
check its_key_beside json key_beside '"fits"'
check no_warnings json warnings '\[\]'
check a_client_as_json eval 'cert show a/client-till.4.crt -w json && json use "\"client\"" && json client "\"till.4\"" && json tls_server false && json tls_client true'
check a_ca_as_json eval 'cert show a/ca.crt -w json && json use "\"ca\"" && json may_sign true && json self_signed true'
check all_of_a_file_are_shown eval 'cert show two/ca.crt && is "$(grep -c "^CERTIFICATE" "$scratch/out")" 2'
check from_a_pipe eval '"$build/orderctl" cert show <(cat a/node-7.crt) | grep -q "^of  *node 7$"'
check making_as_json eval 'cert client j --out r -w json && json error "\"OK\"" && json certificate "\"r/client-j.crt\"" && json new_key true && json kept_as null'
check a_refusal_as_json eval '"$build/orderctl" cert client j --out r -w json >"$scratch/out" 2>/dev/null; [ $? = 1 ] && json error "\"EXISTS\"" && json command "\"cert client\""'
check a_key_is_no_certificate ends 1 'a/ca.key is a private key: name the certificate' show a/ca.key
check a_directory_is_no_certificate ends 1 'FILE_ERROR: a cannot be read: Is a directory' show a
check nothing_is_no_certificate ends 1 'BAD_CERTIFICATE: /dev/null has no PEM certificate' show /dev/null

# Certificates with something wrong, made by OpenSSL: signed by the CA of a.
mkdir w && cp a/ca.crt w
bad() { # NAME EXTENSIONS [KEY ARGUMENTS [SIGNING ARGUMENTS]]
    local key=${3:--algorithm EC -pkeyopt ec_paramgen_curve:P-256}
    # shellcheck disable=SC2086 # words
    openssl genpkey $key -out "w/$1.key" 2>/dev/null &&
        openssl req -new -key "w/$1.key" -subj "/CN=$1" -out "w/$1.csr" &&
        openssl x509 -req -in "w/$1.csr" -CA a/ca.crt -CAkey a/ca.key -days 90 -out "w/$1.crt" ${4:-} \
            -extfile <(printf '%b\n' "$2") 2>/dev/null
}
node='subjectAltName=URI:spiffe://shop/node/3,DNS:shop.orderschedd'
both='extendedKeyUsage=serverAuth,clientAuth'
warns() { # CODE REGEX
    cert show "w/$made.crt" -w json
    grep -q "\"code\": \"$1\"" "$scratch/out" || { echo "no $1" && return 1; }
    ends 0 "^warning: .*$2" show "w/$made.crt"
}
while IFS='|' read -r made extensions key signing code regex; do
    bad "$made" "$extensions" "$key" "$signing" || echo "# $made could not be made"
    check "a warning: $made" warns "$code" "$regex"
done <<END
nameless|$both|||NO_NAME|it names no node and no client
twice|subjectAltName=URI:spiffe://shop/node/3,URI:spiffe://shop/node/4,DNS:shop.orderschedd\\n$both|||TWO_NAMES|more than one URI
without-dns|subjectAltName=URI:spiffe://shop/node/3\\n$both|||NO_CLUSTER_DNS|CLUSTER.orderschedd is missing
other-dns|subjectAltName=URI:spiffe://shop/node/3,DNS:bank.orderschedd\\n$both|||NO_CLUSTER_DNS|CLUSTER.orderschedd is missing
client-only|$node\\nextendedKeyUsage=clientAuth|||WRONG_USE|serverAuth
server-only|$node\\nextendedKeyUsage=serverAuth|||WRONG_USE|clientAuth
no-signature|$node\\n$both\\nkeyUsage=keyAgreement|||WRONG_USE|digitalSignature
a-ca|$node\\n$both\\nbasicConstraints=CA:TRUE\\nkeyUsage=digitalSignature,keyCertSign|||IS_A_CA|can be any node
ed25519|$node\\n$both|-algorithm ED25519||KEY_TYPE|Ed25519
small-rsa|$node\\n$both|-algorithm RSA -pkeyopt rsa_keygen_bits:1024||WEAK_KEY|less than 2048
strange-curve|$node\\n$both|-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1||KEY_TYPE|curve
sha1|$node\\n$both||-sha1|WEAK_SIGNATURE|SHA-1
END
made=nameless
cp here/ca.crt w/ca.crt
check a_warning_for_another_ca_beside warns OTHER_CA 'has not signed it'
cp a/ca.crt w/ca.crt
cp w/twice.key w/nameless.key
check a_warning_for_another_key_beside warns KEY_MISFIT "another certificate's"
chmod 644 w/nameless.key
check a_warning_for_a_key_that_all_may_read warns KEY_IS_OPEN 'every user'
check escapes_do_not_reach_the_terminal eval \
    'bad steers "subjectAltName=otherName:1.2.3.4;UTF8:x,DNS:a$(printf "\\033")[31mb\n$both" && cert show w/steers.crt && ! grep -q "$(printf "\\033")" "$scratch/out" && grep -q "x1b" "$scratch/out"'
check a_name_that_is_not_made_here_is_not_lost eval \
    'bad mail "subjectAltName=URI:spiffe://shop/client/m,email:a@b\nextendedKeyUsage=clientAuth" && ends 1 "has a name of type email" renew w/mail.crt --ca a'
check what_has_no_name_of_ours_is_not_renewed ends 1 'names no node, client or cluster' renew w/nameless.crt --ca a

# A CA of another tool that does not say of which cluster it is.
mkdir plain && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=Corp' -days 30 \
    -keyout plain/ca.key -out plain/ca.crt 2>/dev/null
check its_cluster_must_be_named ends 1 'WRONG_CLUSTER: plain/ca.crt does not say of which cluster.*--cluster' node 1 --host a --out plain
check then_it_signs eval 'cert node 1 --host a --cluster shop --out plain && openssl verify -CAfile plain/ca.crt -verify_hostname shop.orderschedd plain/node-1.crt'
mkdir ed && openssl genpkey -algorithm ED25519 -out ed/ca.key && openssl req -x509 -new -key ed/ca.key -subj /CN=Ed \
    -days 30 -out ed/ca.crt
check an_ed25519_ca_signs_nothing ends 1 'BAD_KEY: ed/ca.crt: its key is Ed25519' node 1 --host a --cluster shop --out ed

# ---- in use ----

# A server that wants a client's certificate, and a client that checks a name: it asks, and is answered.
handshake() { # CLIENT HOSTNAME PROTOCOL
    local port server said rv=1
    port=$(free_port 1)
    openssl s_server -accept "127.0.0.1:$port" -cert a/node-7.crt -key a/node-7.key -CAfile a/ca.crt -Verify 2 \
        -verify_return_error -www </dev/null >"$scratch/server" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        listens "$port" && break
        sleep 0.05
    done
    said=$(printf 'GET / HTTP/1.0\r\n\r\n' | timeout 20 openssl s_client -connect "127.0.0.1:$port" -cert "$1.crt" \
        -key "$1.key" -CAfile a/ca.crt -verify_hostname "$2" -verify_return_error "-$3" -brief -ign_eof 2>&1)
    grep -q '^HTTP/1.0 200' <<<"$said" && rv=0
    kill $server 2>/dev/null
    wait $server 2>/dev/null
    echo "$said" | cat - "$scratch/server" >"$scratch/out"
    return $rv
}
# shellcheck source=tests/support/ports.sh
. "$tests/support/ports.sh"
for protocol in tls1_2 tls1_3; do
    check "a client reaches a node over $protocol" handshake a/client-till.4 shop.orderschedd $protocol
    check "a node reaches a node over $protocol" handshake a/node-7 node7.example $protocol
    check "nobody takes it for another cluster's over $protocol" eval '! handshake a/client-till.4 bank.orderschedd $protocol && grep -qi "hostname mismatch" "$scratch/out"'
    check "a client of another CA does not come in over $protocol" eval 'cert client till --out here --force && ! handshake here/client-till shop.orderschedd $protocol && grep -q "verify error" "$scratch/server"'
done

# ---- the page ----

# The commands of a section (blocks indented by four spaces), in a directory of their own.
section() { # HEADING
    awk -v heading="$1" '/^#+ / { on = $0 ~ "^#+ " heading "$"; next } on && sub(/^    /, "")' "$page"
}
follow() { # HEADING DIRECTORY
    mkdir "$2" && section "$1" >"$2.sh" && [ -s "$2.sh" ] &&
        (cd "$2" && PATH=$build:$PATH timeout 60 bash -eu "../$2.sh") >"$scratch/out" 2>&1
}
clean() { # FILE...: shown without a warning
    local f
    for f in "$@"; do
        ends 0 . show "$f" || return 1
        ! grep warning "$scratch/out" || return 1
    done
}
check the_page_makes_certificates follow Certificates page
check they_are_good eval 'clean page/certs/*.crt && verify -CAfile page/certs/ca.crt -verify_hostname shop.orderschedd page/certs/node-1.crt'
check the_page_makes_them_with_openssl_too follow 'With OpenSSL instead' other
check these_are_good_too eval 'clean other/certs/*.crt && verify -CAfile other/certs/ca.crt other/certs/node-1.crt other/certs/client-till.crt'
check their_names_are_the_same is "$(names other/certs/node-1.crt)" "$(names page/certs/node-1.crt)"
check their_keys_are_closed is "$(stat -c %a other/certs/*.key | sort -u)" 600
check orderctl_goes_on_with_them eval 'cert node 9 --host nine --out other/certs && clean other/certs/node-9.crt && cert renew other/certs/node-1.crt && clean other/certs/node-1.crt && fit other/certs/node-1'

echo "1..$number"
[ "$failures" -eq 0 ]
