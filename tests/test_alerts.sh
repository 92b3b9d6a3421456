#!/bin/bash
# test_alerts.sh - what real nodes tell as metrics, and that real faults bring the alerts (monitoring/nodes.py).
# Runs beside others: waits 60 s.
#
#   tests/test_alerts.sh [BUILD]     the directory with the programs, default: $BUILD or build
#
# Prints TAP. Skipped, with the reason, where python3 or promtool (Debian: prometheus) is not installed.
build=${1:-${BUILD:-build}}
for program in python3 promtool; do
    if ! command -v $program >/dev/null; then
        echo "1..0 # SKIP $program is not installed"
        exit 0
    fi
done
exec python3 -B "$(dirname "$0")/monitoring/nodes.py" "$build"
