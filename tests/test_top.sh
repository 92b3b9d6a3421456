#!/bin/bash
# test_top.sh - orderctl top in a pseudo-terminal, on real nodes: tests/ctl/top.py says what.
# Runs beside others: waits 60 s.
#
#   tests/test_top.sh [BUILD]     the directory with the programs, default: $BUILD or build
#
# Prints TAP. Skipped, with the reason, where python3 is not installed.
build=${1:-${BUILD:-build}}
if ! command -v python3 >/dev/null; then
    echo "1..0 # SKIP python3 is not installed"
    exit 0
fi
exec python3 -B "$(dirname "$0")/ctl/top.py" "$build"
