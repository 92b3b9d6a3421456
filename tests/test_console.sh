#!/bin/bash
# test_console.sh - the console (node/console/) in a real browser, Chromium, on three real nodes: each view and action,
# both languages, a phone's width, the keyboard alone, nodes that die meanwhile, hostile orders, roles.
# Same for each build: what it asks of the nodes, other tests ask of each.
#
#   tests/test_console.sh [BUILD]             the directory with the programs, default: $BUILD or build
#   tests/test_console.sh [BUILD] --pictures    make the pictures in docs/pictures instead
#
# Prints TAP. Skipped, with the reason, where node, npm or Chromium (Debian's package chromium) is missing, or what
# drives it (playwright-core, tests/npm) cannot be had.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
pictures=''
for word in "$@"; do
    case $word in
    --pictures) pictures=$word ;;
    *) build=$word ;;
    esac
done

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
    echo "1..0 # SKIP chromium is not installed (make deps)"
    exit 0
}
# shellcheck source=tests/npm/install.sh
. tests/npm/install.sh
npm_install "$build" || exit 0
exec node tests/console/run.mjs "$build" "$build/npm" "$browser" $pictures
