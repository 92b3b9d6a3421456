#!/bin/bash
# test_jepsen_end.sh - the harness in jepsen/ when it does not come to its end: what is asked for in vain is
# refused by name, and a harness that is killed leaves nothing behind.
# Runs beside others: waits 25 s.
#
# Prints TAP. Without root, namespaces or the tools, the tests that need them are skipped, with the
# reason.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

build=${BUILD:-build}
scratch=$(mktemp -d)
harness=
cleanup() {
    [ -z "$harness" ] || kill -KILL "$harness" 2>/dev/null
    rm -rf "$scratch"
}
trap cleanup EXIT
# shellcheck source=tests/support/tap.sh
. tests/support/tap.sh
# shellcheck source=tests/support/jepsen_bed.sh
. tests/support/jepsen_bed.sh

# Processes, loop devices, mounts and disks that have to do with a folder.
left_of() {
    local file command
    for file in /proc/[0-9]*/cmdline; do
        command=$(tr '\0' ' ' <"$file" 2>/dev/null)
        [[ $command != *"$1"* ]] || echo "$file: $command"
    done 2>/dev/null
    losetup -a | grep -F "$1"
    grep -F "$1" /proc/mounts
    ls "$1"/*/disk.ext4 2>/dev/null
}

# Ends a run in its midst with a signal; what is left of it is printed and fails.
nothing_is_left_after() {
    local signal=$1 store=$scratch/store-$1 midst=$scratch/midst-$1 left i
    : >"$midst"
    "$build/jepsen" --store "$store" --workload conserve --nemesis delay,slow-link --time 60s \
        >"$midst" 2>&1 &
    harness=$!
    for ((i = 0; i < 1200; i++)); do
        grep -q 'phase load' "$midst" && break
        sleep 0.1
    done
    grep -q 'phase load' "$midst" || { cat "$midst"; return 1; }
    sleep 3
    [ -n "$(left_of "$store")" ] || { echo "nothing runs that could be left"; return 1; }
    kill "-$signal" "$harness"
    wait "$harness" 2>/dev/null
    harness=
    for ((i = 0; i < 100; i++)); do
        left=$(left_of "$store")
        [ -n "$left" ] || break
        sleep 0.1
    done
    echo "$left"
    [ -z "$left" ]
}

is_refused() { # words that the message must have, and the command
    local words=$1
    shift
    "$@" >"$scratch/refusal" 2>&1
    [ $? -eq 2 ] && grep -qF -- "$words" "$scratch/refusal"
}

without_root_it_says_so() {
    cp "$build/jepsen" "$scratch/jepsen" && chmod 755 "$scratch" "$scratch/jepsen"
    if [ "$(id -u)" -eq 0 ]; then
        is_refused "root is needed" setpriv --reuid 65534 --regid 65534 --clear-groups \
            "$scratch/jepsen"
    else
        is_refused "root is needed" "$scratch/jepsen"
    fi
}

echo "1..7"
check "an unknown nemesis is named" is_refused '"earthquake"' "$build/jepsen" -n kill,earthquake
check "two nemeses do not break the same" is_refused "both would break the nodes" "$build/jepsen" \
    -n partition,pause+kill
check "an unknown workload is named" is_refused '"idle"' "$build/jepsen" --workload idle
check "grants are for runs with authorisation" is_refused "--plain" "$build/jepsen" \
    --workload grants --plain
check "without root it says so at once" without_root_it_says_so
check_in_bed "a killed harness leaves nothing behind" nothing_is_left_after KILL
check_in_bed "an interrupted harness leaves nothing behind" nothing_is_left_after INT
exit $((failures > 0))
