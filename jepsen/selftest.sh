#!/bin/bash
# selftest.sh - does the harness find bugs? Runs deliberate ones (raft/mutant.h) on a real cluster,
# each with the workload and the faults that bring it out, and demands a verdict of `false` that
# names the invariant made for it; then the real daemon with the same settings, which must pass.
#
#   jepsen/selftest.sh [MUTANT...]    all, or these
#
#   BUILD=build    JOBS=$(nproc) runs at the same time    SEED=1
#
# Prints TAP. Needs root.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

build=${BUILD:-build}
jobs=${JOBS:-$(nproc)}
seed=${SEED:-1}
store=$build/jepsen-store/selftest
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$store"

# Mutant, workload (http:NAME: its clients speak HTTP), nemesis, seconds, and the invariant that must be
# named. Not here (see docs/jepsen.md): old-epoch-outcome, purge-forgets-closing, lost-write-durable.
mutants() {
    cat <<'END'
ack-before-commit          set       partition-leader,kill-leader  25  I3
fire-without-epoch         delivery  kill-leader                   30  I9
snapshot-forgets-requests  register  restart-all,kill-all          40  I10
deadline-off-by-one        race      none                          15  I2
fence-reset-on-restore     delivery  restart-all,kill-all          30  I9
local-clock-at-apply       conserve  none                          12  I11
read-without-quorum        stale     pause-brief                   40  I2
snapshot-tail-skips-first  conserve  restart-all,kill-all          40  I11
cascade-drops-slot         conserve  none                          12  I7
own-clock-though-outvoted  conserve  clock-start                   30  I6
role-checked-before-log    grants    none                          40  AUTH
revoked-token-counts       grants    none                          40  AUTH
retry-without-traceparent  delivery  none                          15  TRACE
http-paid-at-once          http:register  none                     15  I2
http-reads-itself          http:register  partition-minority       30  I2
http-forgets-copies        http:register  none                     15  I10
http-unknown-is-definite   http:conserve  kill-leader,pause-leader 40  I4
http-loses-answers         http:register  none                     15  HTTP
END
}

# The runs to make: mutant or "-", workload, nemesis, seconds, invariant or "-".
runs() {
    local mutant workload nemesis seconds invariant settings=''
    while read -r mutant workload nemesis seconds invariant; do
        [[ $# -eq 0 || " $* " == *" $mutant "* ]] || continue
        echo "$mutant $workload $nemesis $seconds $invariant"
        settings+="- $workload $nemesis $seconds -"$'\n'
    done < <(mutants)
    sort -u <<<"${settings%$'\n'}"
}

# One run; its output and exit code go to files of its number.
run() {
    local number=$1 mutant=$2 workload=$3 nemesis=$4 seconds=$5
    local flags=(--store "$store" --seed "$seed" --workload "${workload#http:}" --nemesis "$nemesis"
        --time "${seconds}s")
    [ "$workload" = "${workload#http:}" ] || flags+=(--http)
    [ "$mutant" = - ] || flags+=(--mutant "$mutant")
    timeout $((seconds + 150)) "$build/jepsen" "${flags[@]}" >"$scratch/$number" 2>&1
    echo $? >"$scratch/$number.code"
}

# Caught: false, and by the invariant that is made for it.
account() {
    local number=$1 mutant=$2 workload=$3 nemesis=$4 invariant=$6 code title fine=no
    code=$(cat "$scratch/$number.code")
    if [ "$mutant" = - ]; then
        title="without a mutant $workload is valid ($nemesis)"
        [ "$code" -ne 0 ] || fine=yes
    else
        title="$mutant is caught by $invariant ($workload, $nemesis)"
        [ "$code" -ne 1 ] || ! grep -q "^VIOLATION of $invariant " "$scratch/$number" || fine=yes
    fi
    if [ $fine = yes ]; then
        echo "ok $number - $title"
    else
        echo "not ok $number - $title"
        echo "# exit code $code"
        sed 's/^/# /' "$scratch/$number"
        failed=1
    fi
}

mapfile -t all < <(runs "$@")
failed=0
number=0
for line in "${all[@]}"; do
    number=$((number + 1))
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
        wait -n
    done
    # shellcheck disable=SC2086 # words on purpose
    run $number $line &
done
wait
number=0
for line in "${all[@]}"; do
    number=$((number + 1))
    # shellcheck disable=SC2086
    account $number $line
done
echo "1..$number"
exit $failed
