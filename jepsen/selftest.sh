#!/bin/bash
# selftest.sh - does the harness find bugs? Runs deliberate ones (raft/mutant.h) on a real cluster,
# each with the workload and the faults that bring it out, and demands a verdict of `false` that
# names the invariant made for it; then the real daemon with the same settings, which must pass.
#
#   jepsen/selftest.sh [MUTANT...]    all, or these; BUILD=build
#
# Prints TAP. Needs root.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

build=${BUILD:-build}
store=$build/jepsen-store/selftest
mkdir -p "$store"

# Mutant, workload, nemesis, seconds, and the invariants of which one must be named. Not here:
# old-epoch-outcome, whose harm no client and no receiver can see (one more attempt at a delivery that
# is under way), and lost-write-durable, which is a bug of the simulator's disk.
mutants() {
    cat <<'END'
ack-before-commit          set       partition-leader,kill-leader  25  I3
fire-without-epoch         delivery  kill-leader                   30  I9
snapshot-forgets-requests  register  restart-all,kill-all          30  I10
deadline-off-by-one        race      none                          15  I2
fence-reset-on-restore     delivery  restart-all,kill-all          30  I9
local-clock-at-apply       conserve  none                          12  I11
purge-forgets-closing      delivery  none                          12  I3|I5
cascade-drops-slot         conserve  none                          12  I7
END
}

run() { # title, seconds, further arguments of jepsen; leaves the verdict in $out
    out=$store/output
    timeout $(($1 + 150)) "$build/jepsen" --store "$store" --seed 1 --time "$1s" "${@:2}" \
        >"$out" 2>&1
}

number=0
failed=0
result() { # ok|not ok, title
    number=$((number + 1))
    echo "$1 $number - $2"
    if [ "$1" != ok ]; then
        failed=1
        sed 's/^/# /' "$out"
    fi
}

wanted=" $* "
settings=
while read -r mutant workload nemesis seconds invariants; do
    [[ $# -eq 0 || $wanted == *" $mutant "* ]] || continue
    run "$seconds" --workload "$workload" --nemesis "$nemesis" --mutant "$mutant"
    code=$?
    found=$(grep -oE "VIOLATION of ($invariants) " "$out" | head -1)
    if [ "$code" -eq 1 ] && [ -n "$found" ]; then
        result ok "$mutant is caught by ${found:13}($workload, $nemesis)"
    else
        result 'not ok' "$mutant is caught by $invariants ($workload, $nemesis); exit code $code"
    fi
    settings+="$workload $nemesis $seconds"$'\n'
done < <(mutants)

while read -r workload nemesis seconds; do
    [ -n "$workload" ] || continue
    if run "$seconds" --workload "$workload" --nemesis "$nemesis"; then
        result ok "without a mutant $workload with $nemesis is valid"
    else
        result 'not ok' "without a mutant $workload with $nemesis is valid"
    fi
done < <(sort -u <<<"$settings")
echo "1..$number"
exit $failed
