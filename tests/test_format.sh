#!/bin/bash
# test_format.sh - the code is laid out as .clang-format says, and all text as .editorconfig does.
# Runs beside others: computes 6 s.
# Same for each build.
#
# Prints TAP. Versions of clang-format differ in details: with another than VERSION the first is skipped.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

VERSION=14
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# shellcheck source=tests/support/tap.sh
. tests/support/tap.sh

sources() { find client raft node jepsen tests packaging -name '*.[ch]'; }
texts() {
    find client raft node jepsen tests docs packaging .ci -type f \
        -not -name '*.osd' -not -name '*.edn' -not -name '*.html' -not -name '*.png' \
        -not -path 'tests/fuzz/corpus/*'
    ls ./*.md Makefile .clang-format .editorconfig .gitignore
}

# Name what clang-format would change.
laid_out() {
    xargs -P "$(nproc)" -n 40 clang-format --dry-run -Werror 2>&1 |
        sed -nE 's/^([^:]+:[0-9]+):.*/\1/p' | sort -u | head -n 20
}
format_is_that_of_clang_format() { [ -z "$(sources | laid_out | tee /dev/stderr)" ]; }
another_format_is_noticed() {
    cp .clang-format "$scratch/"
    printf 'int f(int a){return a;}\n' >"$scratch/bad.c"
    [ -n "$(echo "$scratch/bad.c" | laid_out)" ]
}

trailing_space() { xargs grep -nIE '[[:blank:]]+$' /dev/null | head -n 20; }
no_last_newline() {
    local file
    while read -r file; do
        [ ! -s "$file" ] || [ -z "$(tail -c 1 "$file")" ] || echo "$file"
    done
}
no_line_ends_in_white_space() { [ -z "$(texts | trailing_space | tee /dev/stderr)" ]; }
every_file_ends_with_its_last_line() { [ -z "$(texts | no_last_newline | tee /dev/stderr)" ]; }
untidy_files_are_noticed() {
    printf 'a \nb' >"$scratch/untidy"
    [ -n "$(echo "$scratch/untidy" | trailing_space)" ] && [ -n "$(echo "$scratch/untidy" | no_last_newline)" ]
}

check no_line_ends_in_white_space no_line_ends_in_white_space
check every_file_ends_with_its_last_line every_file_ends_with_its_last_line
check untidy_files_are_noticed untidy_files_are_noticed
if [ "$(clang-format --version 2>/dev/null | sed -nE 's/.*version ([0-9]+)\..*/\1/p')" = $VERSION ]; then
    check format_is_that_of_clang_format format_is_that_of_clang_format
    check another_format_is_noticed another_format_is_noticed
else
    number=$((number + 1))
    echo "ok $number - format_is_that_of_clang_format # SKIP clang-format $VERSION is not installed"
fi

echo "1..$number"
[ "$failures" -eq 0 ]
