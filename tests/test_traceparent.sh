#!/bin/bash
# test_traceparent.sh - three real nodes and a receiver (traceparent.py): of which trace an order is, from the request that
# schedules it to its webhooks, also after the leader was killed, and after all of them were.
# Runs beside others: waits 20 s.
#
#   tests/test_traceparent.sh [BUILD]     the directory with the programs, default: $BUILD or build
#
# Prints TAP. Skipped, with the reason, where python3 is not installed.
build=${1:-${BUILD:-build}}
if ! command -v python3 >/dev/null; then
    echo "1..0 # SKIP python3 is not installed"
    exit 0
fi
exec python3 -B "$(dirname "$0")/support/front/traceparent.py" "$build"
