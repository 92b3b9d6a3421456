#!/bin/bash
# test_jepsen.sh - the harness in jepsen/: runs on real clusters with partitions and kills, judged from their
# histories, also by how long healing took.
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
trap 'rm -rf "$scratch"' EXIT
# shellcheck source=tests/support/tap.sh
. tests/support/tap.sh
# shellcheck source=tests/support/jepsen_bed.sh
. tests/support/jepsen_bed.sh

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

# By any node, most of which follow.
a_run_over_http_is_valid() {
    timeout 170 "$build/jepsen" --store "$scratch/store" --workload register --http \
        --nemesis partition,kill-leader --time 20s >"$scratch/http" 2>&1
    local code=$?
    cat "$scratch/http"
    [ $code -eq 0 ] && grep -qE '^http +HTTP +true .*of followers [0-9]{2,}' "$scratch/http"
}

echo "1..4"
check_in_bed "conserve under partitions and kills for $seconds s is valid" a_run_is_valid
check_in_bed "grants that change while the leader does are valid" grants_that_change_are_valid
check_in_bed "without TLS and authorisation it runs, too" a_plain_run_is_valid
check_in_bed "over HTTP, by any node, it is valid, too" a_run_over_http_is_valid
exit $((failures > 0))
