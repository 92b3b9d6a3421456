# sizes.sh - what bench.sh and peers/peers.sh have in common; they source it. SCALE is how much of
# each size is wanted (BENCH_SCALE), DATA where is written (BENCH_DATA), and fail their own.

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

awk -v s="$SCALE" 'BEGIN { exit !(s ~ /^[0-9]*\.?[0-9]+$/ && s + 0 > 0 && s + 0 <= 100) }' ||
    fail "BENCH_SCALE must be a number above 0, up to 100: $SCALE"
[ -d "$DATA" ] || fail "there is no directory $DATA to write in"
DATA=$(cd "$DATA" && pwd)
ORDERBENCH_COMMIT=$(git rev-parse --short HEAD 2>/dev/null || true) # empty: not known
export ORDERBENCH_COMMIT

# So many orders, but not fewer than the second number.
size() {
    awk -v n="$1" -v s="$SCALE" -v least="${2:-100}" \
        'BEGIN { v = int(n * s); printf "%d", v < least ? least : v }'
}
