#!/bin/bash
# fuzz.sh - runs fuzz targets that were built with libFuzzer (`make fuzz`), one after the other on each core.
#
#   tests/fuzz/fuzz.sh SECONDS [TARGET...]   all targets of BUILD, or these; the time is split over them
#   tests/fuzz/fuzz.sh --can CLANG           can this compiler link with libFuzzer? If not, says why
#
# The inputs of CORPORA/TARGET (tests/fuzz/corpus) come first. What reaches new code is kept in KEPT/TARGET
# (BUILD/corpus), what fails in BUILD/found. The last lines are a table: inputs tried, per second, and how many are
# kept. Exit code 1 when a target failed: crashed, leaked, took more than ten seconds or too much memory for an input.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

build=${BUILD:-build-fuzz}
corpora=${CORPORA:-tests/fuzz/corpus}
kept=${KEPT:-$build/corpus}

can() { # a compiler, of one word or more
    local dir
    # shellcheck disable=SC2206 # "ccache clang"
    local clang=($1)
    command -v "${clang[-1]}" >/dev/null || { echo "${clang[-1]} is not installed" && return 1; }
    dir=$(mktemp -d)
    echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d == 0 && n > 0; }' >"$dir/f.c"
    "${clang[-1]}" -fsanitize=fuzzer,address,undefined -o "$dir/f" "$dir/f.c" >"$dir/said" 2>&1
    local rc=$?
    [ $rc -eq 0 ] || echo "${clang[-1]} has no libFuzzer: $(head -n 1 "$dir/said")"
    rm -rf "$dir"
    return $rc
}
if [ "${1:-}" = --can ]; then
    can "${2:-clang}"
    exit
fi

# One target for so many seconds. Its own words are shown when it fails.
run_one() {
    local target=$1 seconds=$2 mask=0 rc
    local program=$build/fuzz_$target
    local corpus=$corpora/$target
    rm -f "$build/found/$target.rc"
    [ -d "$corpus" ] || { echo "$target: no such target" >"$build/found/$target.log" && return 1; }
    mkdir -p "$kept/$target"
    case $target in config | orderctl) mask=2 ;; esac # what they say of each input
    "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=64 \
        -print_final_stats=1 -close_fd_mask=$mask -artifact_prefix="$build/found/$target-" \
        "$kept/$target" "$corpus" >"$build/found/$target.log" 2>&1
    rc=$?
    echo $rc >"$build/found/$target.rc"
}
export -f run_one
export build corpora kept
# Memory's history costs more than the targets themselves: repeat what was found without these.
export ASAN_OPTIONS="malloc_context_size=1:quarantine_size_mb=8${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export UBSAN_OPTIONS="print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"

total=${1:?seconds}
shift
if [ $# -eq 0 ]; then
    mapfile -t targets < <(ls "$corpora")
else
    targets=("$@")
fi
jobs=${FUZZ_JOBS:-$(nproc)}
each=$((total * jobs / ${#targets[@]}))
[ "$each" -gt 0 ] || each=1
mkdir -p "$build/found"
printf '%s\n' "${targets[@]}" | xargs -P "$jobs" -I '{}' bash -c "run_one '{}' $each"

stat() { sed -nE "s/^stat::$1: +//p" "$build/found/$2.log" | tail -n 1; }
failed=0
sum=0
printf '%-12s %12s %10s %8s %6s\n' target inputs 'a second' coverage kept
for target in "${targets[@]}"; do
    n=$(stat number_of_executed_units "$target")
    if [ "$(cat "$build/found/$target.rc" 2>/dev/null)" != 0 ]; then
        failed=$((failed + 1))
        echo "FAILED $target:"
        tail -n 60 "$build/found/$target.log" | sed 's/^/  | /'
        continue
    fi
    sum=$((sum + n))
    printf '%-12s %12s %10s %8s %6s\n' "$target" "$n" "$(stat average_exec_per_sec "$target")" \
        "$(sed -nE 's/.* cov: ([0-9]+) .*/\1/p' "$build/found/$target.log" | tail -n 1)" \
        "$(find "$kept/$target" -type f | wc -l)"
done
echo "$sum inputs, ${#targets[@]} targets, $failed failed"
[ $failed -eq 0 ]
