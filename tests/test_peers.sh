#!/bin/bash
# test_peers.sh - bench-peers without any other system: what the driver and its clients refuse, what
# is named as left out, and what the table makes of rows.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/build/peers" "$scratch/root/usr/bin"

# shellcheck source=tests/support/tap.sh
. tests/support/tap.sh
output=''
rc=0
run() {
    output=$("$@" 2>&1)
    rc=$?
}
explain() { printf 'rc %s\n%s\n' "$rc" "$output"; }
says() { [[ $output == *"$1"* ]]; }
refused_saying() { [ "$rc" -eq 2 ] && says "$1"; }
leaves_nothing() { [ -z "$(find "$scratch/build" -name 'peers-*')" ]; }

driver() { env BUILD="$scratch/build" "$@" tests/bench/peers/peers.sh; }

# ---- the driver ----

run driver PEERS='redis mongodb'
check a_system_that_is_not_known_is_refused refused_saying 'unknown name: mongodb'
run driver PEERS_WORKS=dance
check a_work_that_is_not_known_is_refused refused_saying 'unknown name: dance'
run driver BENCH_SCALE=0
check a_scale_of_nothing_is_refused refused_saying 'BENCH_SCALE must be a number above 0'
run driver BENCH_DATA="$scratch/nowhere"
check a_directory_that_is_not_there_is_named refused_saying 'there is no directory'

# There are no clients in this build directory, so no system can take part.
run driver PEERS='beanstalkd etcd'
check systems_that_are_not_installed_are_left_out_by_name says 'etcd: its '
check how_to_install_them_is_said says 'make deps-peers'
check without_any_system_it_fails refused_saying 'none of these is installed: beanstalkd etcd'
check it_leaves_nothing_behind leaves_nothing

# ---- what is to be installed ----

run env SYSROOT="$scratch/root" packaging/deps-peers.sh --missing
check all_packages_are_missing_on_an_empty_system \
    [ "$rc-$(wc -l <<<"$output")-$(head -n 1 <<<"$output")" = 1-9-redis-server ]
touch "$scratch/root/usr/bin/redis-server"
run env SYSROOT="$scratch/root" packaging/deps-peers.sh --missing
check what_is_there_is_not_missing [ "$(head -n 1 <<<"$output")" = beanstalkd ]

# A package manager that does as it is told, and a policy that an administrator has put there.
mkdir -p "$scratch/bin" "$scratch/root/usr/sbin"
printf '#!/bin/sh\nexit 0\n' >"$scratch/bin/apt-get"
printf '#!/bin/sh\nexit 0\n' >"$scratch/root/usr/sbin/policy-rc.d"
chmod +x "$scratch/bin/apt-get" "$scratch/root/usr/sbin/policy-rc.d"
if [ "$(id -u)" -eq 0 ]; then
    run env SYSROOT="$scratch/root" PATH="$scratch/bin:$PATH" packaging/deps-peers.sh
    check a_policy_that_lets_services_start_stops_the_installation \
        says 'lets services start; it is not overwritten'
    check and_stays_as_it_is [ "$(tail -n 1 "$scratch/root/usr/sbin/policy-rc.d")" = 'exit 0' ]
    rm "$scratch/root/usr/sbin/policy-rc.d"
    cat >"$scratch/bin/apt-get" <<'END'
#!/bin/sh
case $* in *install*) "$SYSROOT/usr/sbin/policy-rc.d"; echo "policy $?" ;; esac
END
    run env SYSROOT="$scratch/root" PATH="$scratch/bin:$PATH" packaging/deps-peers.sh
    check services_are_denied_while_packages_are_installed says 'policy 101'
    check the_denial_ends_with_the_installation [ ! -e "$scratch/root/usr/sbin/policy-rc.d" ]
    check what_is_still_missing_is_an_error says 'still missing after the installation: beanstalkd'
fi

# ---- a client, and the table ----

build=${BUILD:-build}
client=$build/peers/peer_beanstalkd
run "$client" dance
check a_client_refuses_an_unknown_work refused_saying 'unknown work: "dance"'
run "$client" schedule --ports 70000 --orders 5
check a_client_refuses_a_port_that_is_none refused_saying '--ports must be a list of ports: "70000"'
run "$client" schedule --ports 7000 --orders 5x
check a_client_refuses_a_number_that_is_none refused_saying '--orders must be a number'

rows=$scratch/rows.json
row() { # ROUND THEIRS OURS
    printf '{"peer":"redis","work":"schedule","orders":100,"round":%d,%s"ours":{"ops_per_s":%s}}' \
        "$1" "${2:+\"ops_per_s\":$2,}" "$3"
}
printf '[%s,%s]\n' "$(row 1 100 150)" "$(row 2 300 850)" >"$rows"
run "$build/peers/table" "$rows"
check the_table_has_the_medians_of_the_rounds_and_their_ratio \
    grep -Eq '^schedule +redis +100 +orders/s +500 +200 +2.5 x faster$' <<<"$output"
printf '[%s]\n' "$(row 1 '' 150)" >"$rows"
run "$build/peers/table" "$rows"
check a_row_without_its_figure_is_named_and_fails [ "$rc" -eq 1 ]
check and_becomes_no_line_of_the_table says 'a row of schedule, redis, has no orders/s'

echo "1..$number"
[ "$failures" -eq 0 ]
