#!/bin/bash
# test_http.sh - the HTTP server of three real nodes, asked with raw sockets (http_edge.py): any node takes any
# request, a leader falls in the middle of one, what is hostile or slow is refused and costs nobody else anything.
# Runs beside others: waits 40 s.
#
#   tests/test_http.sh [BUILD]     the directory with the programs, default: $BUILD or build
#
# Prints TAP. Skipped, with the reason, where python3 is not installed.
build=${1:-${BUILD:-build}}
if ! command -v python3 >/dev/null; then
    echo "1..0 # SKIP python3 is not installed"
    exit 0
fi
exec python3 -B "$(dirname "$0")/http_edge.py" "$build"
