#!/usr/bin/env bash
# Measures everything that orderbench measures, each on a cluster of its own beside the load, and
# sets the figures beside the goals. `make bench`; the rows are in build/bench.json.
#
#   BENCH_SCALE=0.01   how much of each size (1): for a quick look, or a slow machine
#   BENCH_LARGE=N      the large size of growth and of a second restart (10000000; 3000000 where
#                      less than 16 GiB of memory are free)
#   BENCH_DATA=DIR     where the nodes write (the build directory): the disk that is measured
#   BENCH_ONLY=NAMES   only these commands: "schedule pay". Two take so long that they have to be
#                      named: "soak" (BENCH_SOAK=N orders, 10000000) and "overload"
#
# A goal that is not met fails nothing. A measurement that could not be made does, at the end, and
# so does one in which an order had another fate than the right one.
set -uo pipefail

BUILD=${BUILD:-build}
SCALE=${BENCH_SCALE:-1}
DATA=${BENCH_DATA:-$BUILD}
LARGE=${BENCH_LARGE:-$(awk '/^MemAvailable/ { print $2 < 16 * 1024 * 1024 ? 3000000 : 10000000 }' \
    /proc/meminfo)}
ONLY=${BENCH_ONLY:-}
SOAK=${BENCH_SOAK:-10000000}
BENCH=$BUILD/orderbench
OUT=$BUILD/bench.json

fail() {
    printf 'bench: %s\n' "$*" >&2
    exit 1
}

# shellcheck source=tests/bench/sizes.sh
. "$(dirname "$0")/sizes.sh"
[[ $LARGE =~ ^[1-9][0-9]*$ ]] || fail "BENCH_LARGE must be a number: $LARGE"
[[ $SOAK =~ ^[1-9][0-9]*$ ]] || fail "BENCH_SOAK must be a number: $SOAK"

SCRATCH=$(mktemp -d)
PID=
cleanup() {
    if [ -n "$PID" ]; then kill -TERM "$PID" 2>/dev/null && wait "$PID" 2>/dev/null; fi
    rm -rf "$SCRATCH"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

SEPARATOR='['
FAILED=''
printf '' >"$SCRATCH/rows"

# measure SECONDS COMMAND [ARGUMENT...]: run it for at most so long, and keep its row.
measure() {
    local seconds=$1 code=0
    shift
    case " $ONLY " in "  " | *" $1 "*) ;; *) return 0 ;; esac
    say "orderbench $*"
    if [ "$1" = fire ] || [ "$1" = drain ]; then # these have no cluster of their own
        set -- with --data "$DATA" -- "$BENCH" "$@"
    else
        set -- "$@" --data "$DATA"
    fi
    # A job of its own, so that a signal to this script is not held up by it.
    timeout -k 5 "$seconds" "$BENCH" "$@" -w json >"$SCRATCH/row" &
    PID=$!
    wait "$PID" || code=$?
    PID=
    if [ "$code" -ne 0 ]; then
        echo "bench: it ended with exit code $code$([ "$code" = 124 ] && echo ': out of time')" >&2
        FAILED="$FAILED $*;"
        [ -s "$SCRATCH/row" ] || return 0 # else it was measured, and was not right
    fi
    cat "$SCRATCH/row"
    { printf '%s\n' "$SEPARATOR" && cat "$SCRATCH/row"; } >>"$SCRATCH/rows"
    SEPARATOR=','
}

# Too long for the whole: only when it is named.
measure_named() {
    case " $ONLY " in *" $2 "*) measure "$@" ;; esac
}

has() { "$BENCH" --help | grep -Eq "^[[:space:]]*(Usage: )?(orderbench )?$1( |\$)"; }

# Whether nodes can have networks of their own here.
can_cut() {
    { unshare --net true || unshare --map-root-user --net true; } 2>/dev/null &&
        PATH=$PATH:/usr/sbin:/sbin command -v ip >/dev/null
}

measure 60 schedule --orders "$(size 1000000)"
measure 60 schedule --orders "$(size 1000000)" --tls
measure 60 schedule --orders "$(size 10000)" --outstanding 1
measure 60 schedule --orders "$(size 10000)" --outstanding 1 --tls
measure 60 schedule --orders "$(size 10000)" --by-hand
measure 60 schedule --orders "$(size 10000)" --by-hand --tls
measure 60 pay --orders "$(size 1000000)"
if has fire; then
    measure 120 fire --orders "$(size 100000)" --over 20s
fi
if has drain; then
    measure 120 drain --orders "$(size 100000)" --batch 100
    measure 120 drain --orders "$(size 20000)" --batch 1
fi
measure 90 memory --orders "$(size 1000000)"
measure 120 restart --orders "$(size 1000000)"
measure 240 restart --orders "$(size "$LARGE")"
measure 240 failover --orders "$(size 10000)" --kills "$(size 20 2)"
if can_cut; then
    measure 240 failover --orders "$(size 10000)" --cut "$(size 10 2)"
fi
measure 240 failover --orders "$(size 10000)" --term "$(size 10 2)"
measure 240 growth --orders "$(size "$LARGE" 30000)" --base "$(size 10000)" \
    --sample "$(size 300000 1000)"
measure 150 stall --orders "$(size 1000000)" --over 10s --at-most 30s \
    --node-flags "snapshot-threshold=2048,snapshot-trailing=1024"
measure 1500 stall --reads --orders "$(size 1000000)" --over 10s --again "$(size 10 0)"
measure 120 http --orders "$(size 3000)" --outstanding 1 --rounds 5
measure 240 http --orders "$(size 50000)"
measure 240 http --orders "$(size 200000 2048)" --batch 1024 --outstanding 8
measure 240 http --orders "$(size 25000)" --rate 5000 --outstanding 256
measure 600 http --hostile --orders "$(size 100000)" --over 2s --rounds "$(size 3 1)"
measure_named 5400 soak --orders "$(size "$SOAK" 4000)"
measure_named 300 overload

if [ "$SEPARATOR" = '[' ]; then printf '[\n' >>"$SCRATCH/rows"; fi
{ cat "$SCRATCH/rows" && printf ']\n'; } >"$OUT"
say "The goals, and what was measured (scale $SCALE, commit ${ORDERBENCH_COMMIT:-unknown})"
"$BENCH" goals "$OUT" || exit 1
printf '\nThe rows: %s\n' "$OUT"
[ -z "$FAILED" ] || fail "could not be measured, or was not right:$FAILED"
