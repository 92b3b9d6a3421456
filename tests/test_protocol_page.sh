#!/bin/bash
# test_protocol_page.sh - what docs/protocol.md says is what nodes do: a client in another language,
# written from that page, runs every operation against real ones (protocol_page.py, support/foreign/page_client.py).
# Runs beside others: waits 30 s.
#
#   tests/test_protocol_page.sh [BUILD]     the directory with the programs, default: $BUILD or build
#
# Prints TAP. Skipped, with the reason, where python3 is not installed.
build=${1:-${BUILD:-build}}
if ! command -v python3 >/dev/null; then
    echo "1..0 # SKIP python3 is not installed"
    exit 0
fi
exec python3 -B "$(dirname "$0")/protocol_page.py" "$build"
