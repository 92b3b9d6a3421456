#!/bin/bash
# test_includes.sh - the dependency rules of docs and headers, checked over the sources; and a
# check that each rule can fail, by planting a violation of it in a copy.
# Runs beside others: computes 8 s.
# Same for each build.
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
    includes_elsewhere '<nng/' 'client/lib/client_(nng\.c|owed\.c|socket\.[ch]|tls\.c|engine[a-z_]*\.[ch])|tests/.*'
}
# For what nng does not say of certificates.
only_the_clients_tls_includes_mbedtls() {
    includes_elsewhere '<mbedtls/' 'client/lib/client_(look|look_words|tls_files)\.[ch]'
}
# Programs and tests may; of the library the one that ciphers does.
only_the_engine_of_the_client_library_includes_openssl() {
    sources client/lib | xargs grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*<openssl/' |
        grep -vE '^client/lib/client_engine[a-z_]*\.[ch]:'
}
only_http_clients_include_curl() {
    includes_elsewhere '<curl/' 'node/callback/http[a-z_]*\.[ch]|jepsen/ask/http\.c|tests/.*'
}
only_http_servers_include_microhttpd() {
    includes_elsewhere '<microhttpd\.h>' 'client/sink/[a-z_]*\.[ch]|node/front/(front_internal\.h|server\.c)|tests/.*'
}
only_the_packer_includes_zlib() {
    includes_elsewhere '<zlib\.h>' 'node/front/packer\.c|tests/.*'
}
only_tls_includes_ssl() {
    includes_elsewhere '<openssl/ssl\.h>' 'client/lib/client_engine[a-z_]*\.[ch]|raft/tls/[a-z_]*\.[ch]|client/bench/by_hand\.c|node/callback/http_transfer\.c|tests/.*'
}
only_the_config_file_includes_yaml() {
    includes_elsewhere '<(c?yaml\.h|cyaml/)' 'node/config/file\.c'
}
# Who needs the time and must be the same in each run is handed it.
only_one_place_reads_clocks() {
    sources client raft node jepsen |
        xargs grep -HnE '(^|[^[:alnum:]_])(clock_gettime|gettimeofday|timespec_get|uv_hrtime|uv_clock_gettime)[[:space:]]*\(' |
        grep -v '^client/base/clocks\.h:'
}
# Who may include whose headers, a folder a line. What a line names stands above it, so no arrow runs
# back up; and each arrow is there, so that the table says how the house is built.
arrows=(
    'client:'
    'client/base:'
    'client/text:'
    'client/wire: client'
    'client/cert: client/base client/text client/wire'
    'client/callback: client/text client/wire'
    'client/json: client/callback client/text client/wire'
    'client/lib: client client/base client/text client/wire'
    'client/survey: client/lib client/text client/wire'
    'client/top: client/base client/json client/survey client/text'
    'client/ctl: client/base client/callback client/cert client/json client/lib client/survey client/text client/top client/wire'
    'client/sink: client/base client/callback client/text client/wire'
    'client/bench/measure: client client/base client/callback client/lib client/survey client/text client/wire'
    'client/bench/http: client/base client/bench/measure client/wire'
    'client/bench/replay: client client/base client/bench/measure client/text client/wire'
    'client/bench: client/base client/bench/http client/bench/measure client/bench/replay client/text client/wire'
    'raft:'
    'raft/memory: client/base'
    'raft/access: client/base client/wire raft'
    'raft/forecast: client/base'
    'raft/core: client/base client/wire raft raft/access raft/forecast raft/memory'
    'raft/loop:'
    'raft/peer: client/wire raft'
    'raft/consensus: client raft raft/core raft/memory raft/peer'
    'raft/tls: client/base client/wire raft/loop'
    'raft/transport: client/base client/wire raft raft/loop raft/peer raft/tls'
    'raft/disk: client raft raft/peer raft/transport'
    'node/metrics: client/base client/wire'
    'node/host: client/base client/text client/wire node/metrics raft'
    'node/commit: client/base client/callback client/wire raft raft/core'
    'node/dispatch: client/base client/wire node/commit node/host node/metrics raft raft/core'
    'node/callback: client/base client/callback client/text client/wire node/commit node/dispatch node/host raft raft/core raft/loop'
    'node/api: client/base client/text node/commit node/host node/metrics raft/loop raft/tls'
    'node/config: client/text client/wire node/host raft/transport'
    'node/resource: client client/base client/json client/text client/wire node/metrics'
    'node/scheduler: client/base client/callback client/text client/wire node/callback node/commit node/dispatch node/host node/metrics raft raft/consensus raft/core raft/peer'
    'node/front: client/base client/json client/lib client/text client/wire node/api node/host node/metrics node/resource raft raft/loop raft/memory raft/tls'
    'node: client/base client/text node/api node/callback node/config node/front node/host node/metrics node/scheduler raft raft/consensus raft/disk raft/memory raft/peer raft/tls raft/transport'
)
# The folders with sources, and what they include of other folders: "from: to".
arrows_there() {
    # shellcheck disable=SC2016 # awk's
    sources client raft node | xargs grep -HE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' |
        sed -E 's/^([^:]*):[^"]*"([^"]*)".*/\1 \2/' |
        awk '{
            from = $1; sub("/[^/]*$", "", from)
            if ($2 !~ "/") next
            to = $2; sub("/[^/]*$", "", to)
            n = split(from "/" to, part, "/"); depth = 0
            for (i = 1; i <= n; i++) {
                if (part[i] == "..") depth--
                else if (part[i] != ".") at[++depth] = part[i]
            }
            to = at[1]
            for (i = 2; i <= depth; i++) to = to "/" at[i]
            if (to != from) print from ": " to
        }' | sort -u
}
arrows_of_the_table() {
    local line to
    for line in "${arrows[@]}"; do
        for to in ${line#*:}; do echo "${line%%:*}: $to"; done
    done | sort -u
}
every_arrow_is_in_the_table() {
    comm -23 <(arrows_there) <(arrows_of_the_table)
}
every_arrow_of_the_table_is_there() {
    comm -13 <(arrows_there) <(arrows_of_the_table)
}
no_arrow_runs_back_up() {
    local line to above=' '
    for line in "${arrows[@]}"; do
        for to in ${line#*:}; do
            case $above in *" $to "*) ;; *) echo "${line%%:*}: $to stands below it" ;; esac
        done
        above="$above${line%%:*} "
    done
}
no_folder_is_too_full() { # a person sees what is in it
    local dir n
    for dir in $(find client raft node jepsen tests docs packaging -type d); do
        n=$(find "$dir" -maxdepth 1 -type f | wc -l)
        [ "$n" -le "${FOLDER_MAX:-45}" ] || echo "$dir: $n files"
    done
}
no_file_is_too_long() { # nor in a file
    find client raft node jepsen tests -name '*.c' -print0 | xargs -0 wc -l |
        awk -v max="${LINES_MAX:-600}" '$2 != "total" && $1 > max { print $2 ": " $1 " lines" }'
}
# Of two objects of one name in an archive the second may take the first one's place.
no_two_files_of_an_archive_have_one_name() {
    local top
    for top in client raft node; do
        find $top -name '*.c' -not -path 'client/bench/*' -not -path 'client/ctl/*' \
            -not -path 'client/sink/*' -printf '%f\n' | sort | uniq -d | sed "s|^|$top: |"
    done
}
# A black box from outside: the client library, its small helpers, and a generator of random numbers.
jepsen_knows_only_the_client_library() {
    sources jepsen | xargs grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]*/' |
        grep -vE '"(\.\./)+(client/ordersched|client/(base|text)/[a-z]+|tests/support/random)\.h"' |
        grep -vE '"(\.\./)?(bed|ask|nemesis|workload|judge|access)/[a-z_]+\.h"|"\.\./(run|judge[a-z_]*)\.h"' |
        grep -vE '^jepsen/mutants\.c:.*"\.\./raft/mutant\.h"'
}
nothing_but_tests_includes_tests() {
    sources client raft node | xargs grep -HnE '^[[:space:]]*#[[:space:]]*include.*tests/'
}

# All of it but raft/memory/pages, which asks the system for memory as malloc does, and
# raft/core/secret, which asks OpenSSL for a MAC.
core_sources() {
    sources raft | grep -E '^raft/((access|core|forecast)/[a-z_]*|mutant|memory/(link|slab))\.[ch]$' | grep -vE '/(secret|seal)\.'
}
the_core_includes_no_clock_loop_or_library() {
    core_sources | xargs grep -HnE '^[[:space:]]*#[[:space:]]*include' |
        grep -vE '<(assert|inttypes|limits|stdbool|stddef|stdint|stdio|stdlib|string|xxhash)\.h>' |
        grep -vE '"(\.\./\.\./client/(base/must|wire/[a-z_]+)|\.\./mutant|\.\./access/[a-z_]+|\.\./forecast/forecast|\.\./memory/(link|slab|pages)|[a-z_]+)\.h"'
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
    'only_libraft_h_includes_raft|raft/consensus/replica.c|#include <raft/uv.h>'
    'only_the_client_includes_nng|node/node.c|#include <nng/nng.h>'
    'only_the_clients_tls_includes_mbedtls|client/lib/client.c|#include <mbedtls/ssl.h>'
    'only_the_engine_of_the_client_library_includes_openssl|client/lib/client_tls.c|#include <openssl/ssl.h>'
    'only_http_clients_include_curl|node/dispatch/dispatch.c|#include <curl/curl.h>'
    'only_http_servers_include_microhttpd|client/lib/client.c|#include <microhttpd.h>'
    'only_the_packer_includes_zlib|node/front/exchange.c|#include <zlib.h>'
    'only_tls_includes_ssl|raft/transport/transport.c|#include <openssl/ssl.h>'
    'only_the_config_file_includes_yaml|node/config/config.c|#include <cyaml/cyaml.h>'
    'only_one_place_reads_clocks|node/callback/exec.c|long f(void) { return uv_hrtime(); }'
    'every_arrow_is_in_the_table|client/ctl/orderctl.c|#include "../../raft/core/machine.h"'
    'every_arrow_is_in_the_table|raft/core/machine.c|#include "../../node/host/log.h"'
    'every_arrow_is_in_the_table|raft/core/store.c|#include "../consensus/replica.h"'
    'every_arrow_is_in_the_table|node/host/log.c|#include "../dispatch/pace.h"'
    'every_arrow_of_the_table_is_there|tests/test_includes.sh|'
    'no_arrow_runs_back_up|tests/test_includes.sh|'
    'no_folder_is_too_full|tests/test_includes.sh|'
    'no_file_is_too_long|tests/test_includes.sh|'
    'no_two_files_of_an_archive_have_one_name|node/api/lane.c|int x;'
    'jepsen_knows_only_the_client_library|jepsen/run.c|#include "../client/wire/protocol.h"'
    'jepsen_knows_only_the_client_library|jepsen/nemesis/nemesis.c|#include "../../raft/disk/disk.h"'
    'nothing_but_tests_includes_tests|node/api/api.c|#include "../../tests/support/bed.h"'
    'the_core_includes_no_clock_loop_or_library|raft/core/machine.h|#include <time.h>'
    'the_core_includes_no_clock_loop_or_library|raft/core/store.c|#include "../consensus/replica.h"'
    'the_core_calls_no_clock_randomness_environment_or_file|raft/core/wheel.c|int f(void) { return rand (); }'
    'the_core_calls_no_clock_randomness_environment_or_file|raft/core/order.c|long g(void) { return time(0); }'
    'the_core_has_no_mutable_globals|raft/core/entry.c|static unsigned counter;'
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
    [ -n "$line" ] || continue # another way, below
    found=$(
        cd "$scratch" || exit 1
        [ -d "$(dirname "$file")" ] || exit 1
        [ -e "$file" ] && cp "$file" "$scratch/kept"
        printf '\n%s\n' "$line" >>"$file"
        $rule | grep -F -e "$(basename "$file")" -e "$(dirname "$file"):"
        rm "$file"
        if [ -e "$scratch/kept" ]; then mv "$scratch/kept" "$file"; fi
    )
    if [ -n "$found" ]; then
        result ok "${rule}_can_fail"
    else
        result 'not ok' "${rule}_can_fail" "not noticed in $file: $line"
    fi
done

# These look at the table and the folders, not at a line of a file.
can_fail() { # name, what it found
    if [ -n "$2" ]; then result ok "${1}_can_fail"; else result 'not ok' "${1}_can_fail" "not noticed"; fi
}
can_fail no_folder_is_too_full "$(FOLDER_MAX=5 no_folder_is_too_full)"
can_fail no_file_is_too_long "$(LINES_MAX=500 no_file_is_too_long)"
can_fail every_arrow_of_the_table_is_there \
    "$(arrows+=('raft/memory: node/host') && every_arrow_of_the_table_is_there)"
can_fail no_arrow_runs_back_up "$(arrows=('raft/core: raft/memory' 'raft/memory:') && no_arrow_runs_back_up)"

echo "1..$number"
[ "$failures" -eq 0 ]
