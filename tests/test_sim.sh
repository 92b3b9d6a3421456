#!/bin/bash
# test_sim.sh - a short part of the simulator: some seeds, the named regressions, the same hash
# twice, and that it finds what it should. `make sim` and `make sim-selftest` are the long parts.
# Runs beside others: computes 80 s.
#
#   SIM_SEEDS=60   how many seeds
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

build=${BUILD:-build}
seeds=${SIM_SEEDS:-60}
jobs=$(nproc)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# shellcheck source=tests/support/tap.sh
. tests/support/tap.sh

sim() {
    timeout 600 "$build/ordersim" "$@"
}

hashes_agree() {
    sim --seed "$1" --trace >"$scratch/first" && sim --seed "$1" --trace >"$scratch/second" &&
        cmp "$scratch/first" "$scratch/second"
}

# All regressions, as many at once as there are cores: what each says and its exit code, in files.
run_regressions() {
    export -f sim
    export build scratch
    # shellcheck disable=SC2016 # the inner shell's
    printf '%s\n' "${regressions[@]}" | xargs -P "$jobs" -n 1 bash -c '
        sim --regress "$0" >"$scratch/$(basename "$0")" 2>&1
        echo $? >"$scratch/$(basename "$0").rc"'
}
finds_nothing() {
    cat "$scratch/$1"
    [ "$(cat "$scratch/$1.rc")" = 0 ]
}

# The whole batch's trace hashes, by this build and by the one without sanitizers.
builds_agree() {
    make --no-print-directory SAN= BUILD=build build/ordersim >"$scratch/make" 2>&1 || { cat "$scratch/make"; return 1; }
    local hash="sum of trace hashes"
    sim --seeds 1..12 --jobs "$jobs" --no-coverage | grep -o "$hash .*" >"$scratch/this" &&
        timeout 600 build/ordersim --seeds 1..12 --jobs "$jobs" --no-coverage |
        grep -o "$hash .*" >"$scratch/other" &&
        cat "$scratch/this" "$scratch/other" && cmp "$scratch/this" "$scratch/other"
}

# A mutant, the invariant that must catch it, and within how many seeds.
is_caught() {
    timeout 600 "$build/ordersim-mutants" --mutant "$1" --only "$2" --seeds "1..$3" --jobs "$jobs" \
        --no-coverage >"$scratch/mutant" 2>&1
    cat "$scratch/mutant"
    grep -q "VIOLATION of $2 " "$scratch/mutant" && ! grep -q "crashed" "$scratch/mutant"
}

# What is asked for in vain must not pass for success.
is_refused() {
    sim "$@"
    [ $? -eq "$refusal" ]
}

regressions=(tests/sim/regress/*.txt)
echo "1..$((${#regressions[@]} + 10))"
check "$seeds seeds violate no invariant" sim --seeds "1..$seeds" --jobs "$jobs" --no-coverage
run_regressions
for file in "${regressions[@]}"; do
    name=$(basename "$file" .txt)
    check "found once and not again: ${name//-/ }" finds_nothing "$name.txt"
done
check "a seed determines its run, to the last line of the trace" hashes_agree 7
check "a build with sanitizers runs the same runs as one without" builds_agree
check "answers before the commit are found" is_caught ack-before-commit ACKED 8
check "a guard that is taken away is missed" is_caught hazard-install-flood BOUND 60
check "a local clock in the state machine is found" is_caught local-clock-at-apply PREFIX 8
check "closing orders that are forgotten are found" is_caught purge-forgets-closing ACKED 8
check "orders that the wheel loses are found" is_caught cascade-drops-slot LIVENESS 4
refusal=1 check "a batch that met too little does not pass" is_refused --seeds 1..1
refusal=2 check "mutants are not in the real thing" is_refused --seed 1 --mutant ack-before-commit
exit $((failures > 0))
