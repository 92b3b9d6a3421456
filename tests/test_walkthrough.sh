#!/bin/bash
# test_walkthrough.sh - a newcomer pastes every command of README.md, docs/http.md, docs/callbacks.md,
# docs/client.md and docs/workers.md, and of the Chinese pages, into a terminal, page by page, in a fresh
# directory; and the configuration that a new service starts with leads.
# Runs beside others: waits 60 s.
#
#   tests/test_walkthrough.sh [BUILD]     the directory with the programs, default: $BUILD or build
#
# Prints TAP. Skipped, with the reason, where python3 is not installed, of which a receiver is made.
build=${1:-${BUILD:-build}}
if ! command -v python3 >/dev/null; then
    echo "1..0 # SKIP python3 is not installed"
    exit 0
fi
exec python3 -B "$(dirname "$0")/walkthrough.py" "$build"
