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

# shellcheck source=tests/npm/install.sh
. tests/npm/install.sh
npm_install "$build" || exit 0
exec node tests/openapi/run.mjs "$build" "$build/npm"
