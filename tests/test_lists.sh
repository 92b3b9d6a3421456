#!/bin/bash
# test_lists.sh - orderctl -w jsonl on a real node: tests/ctl/lists.py says what.
# Runs beside others: waits 15 s.
#
#   tests/test_lists.sh [BUILD]     the directory with the programs, default: $BUILD or build
#
# Prints TAP. Skipped, with the reason, where python3 is not installed.
build=${1:-${BUILD:-build}}
if ! command -v python3 >/dev/null; then
    echo "1..0 # SKIP python3 is not installed"
    exit 0
fi
exec python3 -B "$(dirname "$0")/ctl/lists.py" "$build"
