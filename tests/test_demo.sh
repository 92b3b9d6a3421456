#!/bin/bash
# test_demo.sh - the demonstration refuses orders that will not do before it installs, builds or
# starts anything; and what it writes into a file has no codes for a terminal.
# Same for each build.
#
#   tests/test_demo.sh [BUILD]     the directory with the programs, default: $BUILD or build
#
# Prints TAP.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
build=${1:-${BUILD:-build}}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# shellcheck source=tests/support/tap.sh
. tests/support/tap.sh

printf 'order_id,purchased_at,paid_at\n' >"$scratch/none.csv"
printf 'order_id,purchased_at,paid_at\na,1000,\nb,1000,5000' >"$scratch/two.csv"
mkdir "$scratch/made"

refuses() { # words, and the orders
    local words=$1
    shift
    ! BUILD=$scratch/made tests/demo/demo.sh "$@" >"$scratch/said" 2>&1 &&
        grep -qF -- "$words" "$scratch/said" && [ -z "$(ls "$scratch/made")" ]
}
make_refuses_first() { # without apt, a compiler or a node
    ! env PATH="$scratch/bin" "$(command -v make)" SHELL="$(command -v bash)" BUILD="$scratch/made" \
        demo ORDERS="$scratch/missing.csv" >"$scratch/said" 2>&1 &&
        grep -qF 'cannot read the orders' "$scratch/said"
}
takes() { BUILD=$scratch/made tests/demo/demo.sh "$1" --check; }
no_codes() {
    sed -n '/^say()/,/^}/p; /^bold=/p; /^if \[ -t 1/p' tests/demo/demo.sh >"$scratch/say.sh"
    (cd "$scratch" && bash -c '. ./say.sh; say "some words"' >said) &&
        [ "$(cat "$scratch/said")" = $'\nsome words' ]
}
mkdir "$scratch/bin"
for program in env bash dirname grep wc sed nproc find pkg-config; do
    ln -s "$(command -v $program)" "$scratch/bin/" 2>/dev/null
done

check orders_that_are_not_there_are_named refuses 'cannot read the orders' "$scratch/missing.csv"
check a_folder_is_no_file_of_orders refuses 'cannot read the orders' "$scratch"
check headings_alone_are_no_orders refuses 'no orders in' "$scratch/none.csv"
check make_demo_says_so_before_anything_else make_refuses_first
check a_file_may_end_without_a_line_feed takes "$scratch/two.csv"
check a_file_gets_words_without_codes no_codes

echo "1..$number"
[ "$failures" -eq 0 ]
