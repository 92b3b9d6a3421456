#!/bin/bash
# test_fuzz.sh - bytes from outside: the inputs in tests/fuzz/corpus, by this build and without libFuzzer; then
# each target with libFuzzer for a few seconds, from these inputs on. `make fuzz TIME=600` is the long part.
# Runs beside others: computes 90 s.
# Same for each build.
#
#   FUZZ_SECONDS=40   for all targets together, on one core
#
# Prints TAP. What needs clang and its libFuzzer (libclang-rt-dev) is skipped where they are missing.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

build=${BUILD:-build}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# shellcheck source=tests/support/tap.sh
. tests/support/tap.sh

mapfile -t targets < <(find tests/fuzz -name 'fuzz_*.c' -printf '%f\n' | sed 's/^fuzz_//; s/\.c$//' | sort)

passes() { # this build's program runs each of a target's inputs
    local n
    timeout 60 "$build/fuzz_$1" "tests/fuzz/corpus/$1" >"$scratch/said" 2>&1 ||
        { tail -n 40 "$scratch/said"; return 1; }
    n=$(find "tests/fuzz/corpus/$1" -type f | wc -l)
    [ "$n" -gt 0 ] && grep -qx "$n inputs" "$scratch/said"
}
# A target that breaks at one input of its own, which libFuzzer has to find.
make_broken() {
    mkdir -p "$scratch/corpus/broken" "$scratch/bin"
    echo fun >"$scratch/corpus/broken/1"
    cat >"$scratch/broken.c" <<'END'
#include <stdlib.h>
int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n);
int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n)
{
    return n > 1 && d[0] == 'f' && d[1] == 'x' ? (abort(), 1) : 0;
}
END
    clang -g -fsanitize=fuzzer,address -o "$scratch/bin/fuzz_broken" "$scratch/broken.c"
}
a_broken_target_is_noticed() {
    make_broken || return 1
    ! BUILD=$scratch/bin CORPORA=$scratch/corpus tests/fuzz/fuzz.sh 5 broken >"$scratch/said"
    cat "$scratch/said"
    grep -q "^FAILED broken" "$scratch/said" && compgen -G "$scratch/bin/found/broken-crash*"
}
finds_nothing() {
    grep -q "^$1 " "$scratch/table" || { sed -n "/^FAILED $1:/,/^[^ ]/p" "$scratch/table"; return 1; }
}

for target in "${targets[@]}"; do
    check "${target}_takes_the_inputs_that_are_kept" passes "$target"
done
check each_corpus_has_a_target [ "$(ls tests/fuzz/corpus)" = "$(printf '%s\n' "${targets[@]}")" ]

reason=$(tests/fuzz/fuzz.sh --can clang) &&
    if ! make -j"$(nproc)" --no-print-directory fuzz-programs >"$scratch/make" 2>&1; then
        reason="the targets do not build: $(tail -n 1 "$scratch/make")"
        check the_targets_build_with_libfuzzer cat "$scratch/make" /nonexistent
    fi
if [ -n "$reason" ]; then
    number=$((number + 1))
    echo "ok $number - libfuzzer_finds_nothing # SKIP $reason"
else
    BUILD=build-fuzz KEPT=$scratch/kept tests/fuzz/fuzz.sh "$((${FUZZ_SECONDS:-40} / $(nproc)))" >"$scratch/table" 2>&1
    for target in "${targets[@]}"; do
        check "libfuzzer_finds_nothing_in_$target" finds_nothing "$target"
    done
    check a_broken_target_is_noticed a_broken_target_is_noticed
fi

echo "1..$number"
[ "$failures" -eq 0 ]
