#!/bin/bash
# test_jepsen.sh - the harness in jepsen/: a run on a real cluster with partitions and kills, judged
# from its history; and that a harness that is killed leaves nothing behind.
#
#   JEPSEN_TIME=60   seconds of the run's load (20 under a sanitizer)
#
# Prints TAP. Without root, namespaces or the tools, the tests that need them are skipped, with the
# reason.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

build=${BUILD:-build}
case $build in
*build-*) seconds=${JEPSEN_TIME:-20} ;;
*) seconds=${JEPSEN_TIME:-60} ;;
esac
scratch=$(mktemp -d)
harness=
cleanup() {
    [ -z "$harness" ] || kill -KILL "$harness" 2>/dev/null
    rm -rf "$scratch"
}
trap cleanup EXIT
# shellcheck source=tests/support/tap.sh
. tests/support/tap.sh

# Why the bed cannot be made here; nothing when it can.
why_not() {
    local tool
    if [ "$(id -u)" -ne 0 ]; then
        echo "root is needed"
        return
    fi
    for tool in ip nft tc mkfs.ext4 unshare; do
        if ! PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null; then
            echo "$tool is missing: make deps-jepsen"
            return
        fi
    done
    if ! unshare --mount --net --pid --fork true 2>/dev/null; then
        echo "no namespaces can be made here"
    elif [ ! -e /dev/loop-control ]; then
        echo "there are no loop devices here"
    elif ! unshare --mount --net nft add table bridge probe 2>/dev/null; then
        echo "nftables does not work here"
    fi
}

# The same, if the bed can be made.
check_in_bed() {
    if [ -n "$reason" ]; then
        number=$((number + 1))
        echo "ok $number - $1 # SKIP $reason"
    else
        check "$@"
    fi
}

a_run_is_valid() {
    timeout $((seconds + 150)) "$build/jepsen" --store "$scratch/store" --workload conserve \
        --nemesis partition,kill --time "${seconds}s"
}

# And the judge had something to judge.
grants_that_change_are_valid() {
    timeout 170 "$build/jepsen" --store "$scratch/store" --workload grants --nemesis transfer,kill-leader \
        --time 20s >"$scratch/grants" 2>&1
    local code=$?
    cat "$scratch/grants"
    [ $code -eq 0 ] && grep -qE '^auth +AUTH +true .*denied [0-9]{2,}.*of these exactly [0-9]+' "$scratch/grants"
}
a_plain_run_is_valid() {
    timeout 170 "$build/jepsen" --store "$scratch/store" --workload conserve --nemesis none --plain --time 5s
}

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
    local signal=$1 store=$scratch/store-$1 left i
    "$build/jepsen" --store "$store" --workload conserve --nemesis delay,slow-link --time 60s \
        >"$scratch/midst" 2>&1 &
    harness=$!
    for ((i = 0; i < 1200; i++)); do
        grep -q 'phase load' "$scratch/midst" && break
        sleep 0.1
    done
    grep -q 'phase load' "$scratch/midst" || { cat "$scratch/midst"; return 1; }
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

reason=$(why_not)
echo "1..10"
check "an unknown nemesis is named" is_refused '"earthquake"' "$build/jepsen" -n kill,earthquake
check "two nemeses do not break the same" is_refused "both would break the nodes" "$build/jepsen" \
    -n partition,pause+kill
check "an unknown workload is named" is_refused '"idle"' "$build/jepsen" --workload idle
check "grants are for runs with authorisation" is_refused "--plain" "$build/jepsen" \
    --workload grants --plain
check "without root it says so at once" without_root_it_says_so
check_in_bed "a killed harness leaves nothing behind" nothing_is_left_after KILL
check_in_bed "an interrupted harness leaves nothing behind" nothing_is_left_after INT
check_in_bed "conserve under partitions and kills for $seconds s is valid" a_run_is_valid
check_in_bed "grants that change while the leader does are valid" grants_that_change_are_valid
check_in_bed "without TLS and authorisation it runs, too" a_plain_run_is_valid
exit $((failures > 0))
