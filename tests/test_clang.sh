#!/bin/bash
# test_clang.sh - clang takes every file that `make CC=clang tests` would have it compile, with the same
# warnings as gcc; without code from them, which would take minutes.
# Runs beside others: computes 40 s.
# Same for each build.
#
# Prints TAP. Skipped where clang is not installed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

if ! command -v clang >/dev/null; then
    echo "1..0 # SKIP clang is not installed"
    exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# shellcheck source=tests/support/tap.sh
. tests/support/tap.sh

# What make would run, one a line, each for its diagnostics alone.
env -u MAKEFLAGS make -nB V=1 CC=clang BUILD="$scratch/build" tests |
    sed -nE '/^clang .* -c -o /{s/ -c -o [^ ]+/ -fsyntax-only/; s/ -MMD -MP//; p}' >"$scratch/commands"
compile() { xargs -r -d '\n' -n 1 -P "$(nproc)" bash -c; }

takes_every_file() { compile <"$scratch/commands"; }
finds_every_file() {
    local file
    for file in $(find client raft node tests -name '*.c' -not -path 'tests/bench/*' -not -path 'tests/preload/*'); do
        grep -q -- " $file\$" "$scratch/commands" || { echo "$file is not compiled" && return 1; }
    done
}
refuses_what_gcc_takes() { # an assignment to itself
    echo 'int same(int a); int same(int a) { a = a; return a; }' >"$scratch/same.c"
    ! sed -nE "1s|[^ ]+\$|$scratch/same.c|p" "$scratch/commands" | compile &&
        gcc -Wall -Wextra -Werror -fsyntax-only "$scratch/same.c"
}

check clang_is_asked_for_every_file finds_every_file
check clang_takes_every_file takes_every_file
check it_would_refuse_what_only_clang_warns_of refuses_what_gcc_takes

echo "1..$number"
[ "$failures" -eq 0 ]
