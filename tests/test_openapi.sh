#!/bin/bash
# test_openapi.sh - docs/openapi.yaml says what the nodes do: each of its operations and examples is asked of three
# nodes, and status, headers and body of each answer must be what stands there.
#
#   tests/test_openapi.sh [BUILD]     the directory with the programs, default: $BUILD or build
#
# Prints TAP. Skipped, with the reason, where node or npm is missing, or the validator (tests/npm) cannot be had.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:-${BUILD:-build}}

for program in node npm; do
    if ! command -v $program >/dev/null; then
        echo "1..0 # SKIP $program is not installed"
        exit 0
    fi
done
# Kept from run to run, until another is wanted.
modules=$build/npm
if ! cmp -s tests/npm/package-lock.json "$modules/node_modules/for.json"; then
    rm -rf "$modules"
    mkdir -p "$modules"
    cp tests/npm/package.json tests/npm/package-lock.json tests/npm/.npmrc "$modules"
    quiet=(--ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-retry-mintimeout=1000)
    if ! (cd "$modules" && timeout 60 npm ci "${quiet[@]}") >"$modules/log" 2>&1; then
        echo "1..0 # SKIP the validator cannot be installed: $(grep -m1 'npm ERR\|npm error' "$modules/log")"
        exit 0
    fi
    cp tests/npm/package-lock.json "$modules/node_modules/for.json"
fi
exec node tests/openapi/run.mjs "$build" "$modules"
