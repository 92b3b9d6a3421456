#!/bin/bash
# test_includes.sh - the dependency rules of docs and headers, checked over the sources; and a
# check that each rule can fail, by planting a violation of it in a copy.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

sources() { find "$@" -name '*.[ch]' 2>/dev/null | sort; }

# Includes of the given kind in files that are not allowed to have them: pattern, then the allowed
# files as one extended regular expression.
includes_elsewhere() {
    sources client raft node tests jepsen |
        xargs grep -HnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*$1" |
        grep -vE "^($2):"
}

only_libraft_h_includes_raft() {
    includes_elsewhere '<raft(\.h|/)' 'raft/libraft\.h|tests/.*'
}
only_the_client_includes_nng() {
    includes_elsewhere '<nng/' 'client/client_nng\.c|tests/.*'
}
only_the_http_callback_includes_curl() {
    includes_elsewhere '<curl/' 'node/callback_http[a-z_]*\.[ch]|tests/.*'
}
only_http_servers_include_microhttpd() {
    includes_elsewhere '<microhttpd\.h>' 'client/ordersink[a-z_]*\.[ch]|node/admin_http\.c|tests/.*'
}
only_the_config_file_includes_yaml() {
    includes_elsewhere '<(c?yaml\.h|cyaml/)' 'node/config_file\.c'
}
client_knows_no_other_room() {
    sources client | xargs grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]*(raft|node|tests)/'
}
raft_knows_only_the_protocol() {
    sources raft | xargs grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]*/' |
        grep -vE '"\.\./client/(protocol|cursor|ordersched|siphash|units)\.h"'
}
# A black box from outside: the client library, its small helpers, and a generator of chance.
jepsen_knows_only_the_client_library() {
    sources jepsen | xargs grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]*/' |
        grep -vE '"\.\./(client/(ordersched|flags|units|table)|tests/support/random)\.h"' |
        grep -vE '^jepsen/mutants\.c:.*"\.\./raft/mutant\.h"'
}
nothing_but_tests_includes_tests() {
    sources client raft node | xargs grep -HnE '^[[:space:]]*#[[:space:]]*include.*tests/'
}

# All of it but raft/pages, which asks the system for memory as malloc does, and raft/secret, which
# asks OpenSSL for a MAC.
core_sources() {
    sources raft | grep -E '^raft/(order|history|route|store|wheel|entry|machine|recent|snapshot|mutant|link|slab|budget)[a-z_]*\.[ch]$'
}
the_core_includes_no_clock_loop_or_library() {
    core_sources | xargs grep -HnE '^[[:space:]]*#[[:space:]]*include' |
        grep -vE '<(assert|inttypes|limits|stdbool|stddef|stdint|stdio|stdlib|string|xxhash)\.h>' |
        grep -vE '"(\.\./client/(protocol|cursor|ordersched|siphash)|pages|secret|(order|history|route|store|wheel|entry|machine|recent|snapshot|mutant|link|slab|budget)[a-z_]*)\.h"'
}
the_core_calls_no_clock_randomness_environment_or_file() {
    local file
    for file in $(core_sources); do # without its comments
        cc -fpreprocessed -dD -E -P "$file" 2>/dev/null |
            grep -nE '(^|[^[:alnum:]_.>])(time|clock|clock_gettime|gettimeofday|rand|srand|random|srandom|drand48|getrandom|getentropy|arc4random|getenv|secure_getenv|getpid|pthread_self|localtime|gmtime|fopen|open|read|printf)[[:space:]]*\(' |
            sed "s|^|$file: |"
    done
}
the_core_has_no_mutable_globals() {
    local file
    for file in $(core_sources | grep '\.c$'); do
        cc -fpreprocessed -dD -E -P "$file" 2>/dev/null |
            grep -nE '^[[:space:]]*static [^(]*(=|;)' | grep -v 'const' | sed "s|^|$file: |"
    done
}
assertions_stay_on() {
    grep -nE 'D *NDEBUG|define +NDEBUG' Makefile
    sources client raft node tests jepsen | xargs grep -nE 'define +NDEBUG'
}
no_paths_of_one_machine() {
    grep -rInE '(^|[^[:alnum:]_.}$])/(home|root|Users|work)/[[:alnum:]]' . \
        --exclude-dir=.git --exclude=.git --exclude-dir='build*' --exclude=test_includes.sh
}
scripts_need_no_procps() { # a bare Debian has none: processes are known by their pid
    grep -rInwE 'pkill|pgrep|pidof|killall' packaging tests jepsen --include='*.sh' \
        --exclude=test_includes.sh 2>/dev/null
}

# Each rule, and a violation of it: the file to append to, and the line.
rules=(
    'only_libraft_h_includes_raft|raft/replica.c|#include <raft/uv.h>'
    'only_the_client_includes_nng|node/node.c|#include <nng/nng.h>'
    'only_the_http_callback_includes_curl|node/dispatch.c|#include <curl/curl.h>'
    'only_http_servers_include_microhttpd|client/client.c|#include <microhttpd.h>'
    'only_the_config_file_includes_yaml|node/config.c|#include <cyaml/cyaml.h>'
    'client_knows_no_other_room|client/orderctl.c|#include "../raft/machine.h"'
    'raft_knows_only_the_protocol|raft/machine.c|#include "../node/log.h"'
    'jepsen_knows_only_the_client_library|jepsen/run.c|#include "../client/protocol.h"'
    'jepsen_knows_only_the_client_library|jepsen/nemesis.c|#include "../raft/disk.h"'
    'nothing_but_tests_includes_tests|node/api.c|#include "../tests/support/bed.h"'
    'the_core_includes_no_clock_loop_or_library|raft/machine.h|#include <time.h>'
    'the_core_includes_no_clock_loop_or_library|raft/store.c|#include "replica.h"'
    'the_core_calls_no_clock_randomness_environment_or_file|raft/wheel.c|int f(void) { return rand (); }'
    'the_core_calls_no_clock_randomness_environment_or_file|raft/order.c|long g(void) { return time(0); }'
    'the_core_has_no_mutable_globals|raft/entry.c|static unsigned counter;'
    'assertions_stay_on|node/main.c|#define NDEBUG'
    'no_paths_of_one_machine|docs/semantics.md|See /home/me/notes.'
    'scripts_need_no_procps|jepsen/selftest.sh|pkill -x orderschedd'
)

number=0
failures=0
result() { # ok|not ok, name, output
    number=$((number + 1))
    [ "$1" = ok ] || failures=$((failures + 1))
    echo "$1 $number - $2"
    # shellcheck disable=SC2001 # each line gets its mark
    [ "$1" = ok ] || sed 's/^/# /' <<<"$3"
}

checked=''
for entry in "${rules[@]}"; do
    rule=${entry%%|*}
    case $checked in *" $rule "*) continue ;; esac
    checked="$checked $rule "
    found=$($rule)
    if [ -z "$found" ]; then result ok "$rule"; else result 'not ok' "$rule" "$found"; fi
done

cp -r client raft node jepsen docs Makefile "$scratch/"
mkdir "$scratch/tests"
for entry in "${rules[@]}"; do
    IFS='|' read -r rule file line <<<"$entry"
    found=$(
        cd "$scratch" || exit 1
        if [ ! -e "$file" ]; then exit 1; fi
        cp "$file" "$scratch/kept"
        printf '\n%s\n' "$line" >>"$file"
        $rule | grep -F "$(basename "$file")"
        cp "$scratch/kept" "$file"
    )
    if [ -n "$found" ]; then
        result ok "${rule}_can_fail"
    else
        result 'not ok' "${rule}_can_fail" "not noticed in $file: $line"
    fi
done

echo "1..$number"
[ "$failures" -eq 0 ]
