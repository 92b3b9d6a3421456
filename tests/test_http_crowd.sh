#!/bin/bash
# test_http_crowd.sh - the HTTP server of real nodes beside a crowd that means no good (http_crowd.py): thousands of
# connections, bodies and answers that are left lying, from one address and from several. Others are served meanwhile,
# and the node's memory has a bound.
# Runs beside others: waits 30 s.
#
#   tests/test_http_crowd.sh [BUILD]     the directory with the programs, default: $BUILD or build
#
# Prints TAP. Skipped, with the reason, where python3 is not installed.
build=${1:-${BUILD:-build}}
if ! command -v python3 >/dev/null; then
    echo "1..0 # SKIP python3 is not installed"
    exit 0
fi
exec python3 -B "$(dirname "$0")/http_crowd.py" "$build"
