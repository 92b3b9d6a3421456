#!/bin/bash
# run.sh - runs the tests of a build directory and counts them.
#
#   tests/run.sh [--build DIR] [NAME...]
#
# Without names: each test_*.c and it_*.c below tests/ (as DIR/test_x, DIR/it_x, built by `make`), and
# tests/test_*.sh. A name may be a shell pattern: 'test_*', it_failover.
# Unit tests (test_*) get UNIT_TIMEOUT seconds each, the others LONG_TIMEOUT.
#
# Programs print TAP (testanything.org), as cmocka does when asked; each "ok" line is one test. A
# script that prints none is one test itself, and its exit code the result. A passing test is
# printed as a line, a failing one with all it said. A program that crashes, runs out of time,
# or fails after its tests (a leak, say) is one more failed test, under the program's name; so
# is each test of its plan that did not get to run.
#
# A test that says "# SKIP reason" is skipped: it has not passed, and the reasons stand at the end.
# cmocka's skip() gives none: its reason is the last line before that says "skipped: reason". A plan
# "1..0 # SKIP reason" is one skipped test, under the program's name.
#
# The last line is "N passed, N failed, N skipped". Exit code 1 when any failed or there was none.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

build=build
if [ "${1:-}" = --build ]; then
    build=${2:?--build needs a directory}
    shift 2
fi
unit_timeout=${UNIT_TIMEOUT:-300}
long_timeout=${LONG_TIMEOUT:-900}

# Tests compare what programs say, and a locale that was not generated makes each shell complain.
export LC_ALL=C.UTF-8
export CMOCKA_MESSAGE_OUTPUT=TAP
export PYTHONDONTWRITEBYTECODE=1 # the tests leave nothing in the tree
# A preloaded library comes before the sanitizer's own, which is harmless.
export ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export UBSAN_OPTIONS="print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"
export BUILD=$build

# Two ways in which nng itself loses memory, each told in its file: the second only before 1.6, and
# only where nodes or their connections die. Everywhere else a lost message is a leak of ours.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp tests/lsan-nng.supp "$scratch/lsan"
cp tests/lsan-nng.supp "$scratch/lsan-lost"
nng=$(sed -nE 's/^#define NNG_(MAJOR|MINOR)_VERSION +//p' /usr/include/nng/nng.h | paste -sd .)
if dpkg --compare-versions "$nng" lt 1.6; then
    cat tests/lsan-nng-lost.supp >>"$scratch/lsan-lost"
fi
lsan() {
    echo "suppressions='$scratch/$1':print_suppressions=0${LSAN_OPTIONS:+:$LSAN_OPTIONS}"
}

passed=0
failed=0
skipped=0
failed_names=()

# Prints the account of one program's output for people, and writes "PASSED FAILED SKIPPED" and the
# names of what failed to a file, and the reasons of what was skipped to another. rc is how the
# program ended.
account() {
    awk -v program="$1" -v rc="$2" -v seconds="$3" -v counts="$scratch/counts" \
        -v skips="$scratch/skips" '
        function keep(line) { said[++n] = line }
        function show(    i) {
            for (i = 1; i <= n; i++) print "       | " said[i]
            n = 0
        }
        function fail(name, why) {
            failed++
            print "  FAIL " name (why != "" ? ": " why : "")
            names = names program ": " name "\n"
        }
        function flush_failure() {
            if (failing != "") {
                fail(failing, "")
                show()
                failing = ""
            }
        }
        function skip(name, why) {
            skipped++
            if (why == "") why = reason != "" ? reason : "it does not say why"
            print "  skip " name ": " why
            print program ": " why >> skips
            n = 0
        }
        /^1\.\.0 +# *[Ss][Kk][Ii][Pp]/ {
            sub(/^[^#]*# *[Ss][Kk][Ii][Pp] */, "")
            skip(program, $0)
            next
        }
        /^1\.\.[0-9]+/ { planned += substr($1, 4); next }
        /^skipped: / { reason = substr($0, 10); keep($0); next }
        /^(not )?ok [0-9]+.*# *[Ss][Kk][Ii][Pp]/ {
            flush_failure()
            sub(/^(not )?ok [0-9]+ *-? */, "")
            match($0, /# *[Ss][Kk][Ii][Pp] */)
            name = substr($0, 1, RSTART - 1)
            why = substr($0, RSTART + RLENGTH)
            sub(/ +$/, "", name)
            # cmocka puts the name where the reason belongs.
            if (name == "") skip(why, ""); else skip(name, why)
            next
        }
        /^ok [0-9]+/ {
            flush_failure()
            sub(/^ok [0-9]+ *-? */, "")
            print "  ok   " $0
            passed++
            n = 0
            next
        }
        /^not ok [0-9]+/ {
            flush_failure()
            sub(/^not ok [0-9]+ *-? */, "")
            failing = $0
            next
        }
        /^# (not )?ok - / { next } # the end of a cmocka group
        # After its "not ok" a test has only comments; what follows belongs to the next.
        { if (failing != "" && $0 !~ /^#/) flush_failure(); keep($0) }
        END {
            flush_failure()
            how = rc == 124 || rc == 137 ? "ran out of time" : \
                  rc > 128 ? "killed by signal " rc - 128 : "exit code " rc
            ran = passed + failed + skipped
            if (ran == 0 && planned == 0 && rc == 0 && program ~ /\.sh$/) {
                passed = 1
                print "  ok   " program
            } else if (ran == 0 && planned == 0) {
                fail(program, rc == 0 ? "it ran no test" : how)
                show()
            } else if (rc != 0 && (failed == 0 || rc > 123 || ran < planned)) {
                fail(program, how (ran < planned ? " after " ran " of its " planned " tests" : ""))
                show()
            } else if (ran < planned) {
                fail(program, "it ended after " ran " of its " planned " tests")
                show()
            }
            for (; ran + 1 < planned; ran++) {
                failed++
                names = names program ": a test that did not run\n"
            }
            printf "%d %d %d\n%s", passed, failed, skipped, names > counts
            printf "  %d passed, %d failed, %d skipped in %.1f s\n", passed, failed, skipped, seconds
        }' "$scratch/output"
}

run_one() {
    local path=$1 limit=$2 supp=lsan name begin end rc p f s
    name=$(basename "$path")
    echo "$name"
    if [ ! -x "$path" ]; then
        echo "$path is not built" >"$scratch/output"
        rc=127 begin=0 end=0
    else
        begin=$(date +%s.%N)
        case $name in it_* | test_client_lost | test_client_tls_renew) supp=lsan-lost ;; esac
        # To a file, not a pipe: a process left behind must not keep the runner waiting.
        LSAN_OPTIONS=$(lsan $supp) timeout -k 10 "$limit" "$path" >"$scratch/output" 2>&1 </dev/null
        rc=$?
        end=$(date +%s.%N)
    fi
    account "$name" "$rc" "$(awk "BEGIN { print $end - $begin }")"
    {
        read -r p f s
        while read -r line; do
            failed_names+=("$line")
        done
    } <"$scratch/counts"
    passed=$((passed + p))
    failed=$((failed + f))
    skipped=$((skipped + s))
}

# Every test there is, unit tests first: "path seconds".
list_all() {
    local source
    shopt -s nullglob
    for source in $(find tests -name 'test_*.c' | sort); do
        echo "$build/$(basename "$source" .c) $unit_timeout"
    done
    for source in tests/test_*.sh; do
        echo "$source $unit_timeout"
    done
    for source in $(find tests -name 'it_*.c' | sort); do
        echo "$build/$(basename "$source" .c) $long_timeout"
    done
}

mapfile -t all < <(list_all)
if [ $# -eq 0 ]; then
    set -- '*'
fi
for pattern in "$@"; do
    found=no
    for entry in "${all[@]}"; do
        name=$(basename "${entry% *}")
        # shellcheck disable=SC2053 # a pattern on purpose
        if [[ $name == $pattern || ${name%.sh} == $pattern ]]; then
            found=yes
            run_one "${entry% *}" "${entry##* }"
        fi
    done
    if [ $found = no ]; then
        echo "$pattern: no such test"
        failed=$((failed + 1))
        failed_names+=("$pattern: no such test")
    fi
done

echo
[ ! -e "$scratch/skips" ] ||
    sort "$scratch/skips" | uniq -c | sed -E 's/^ *([0-9]+) /SKIPPED \1 of /'
for name in "${failed_names[@]}"; do
    echo "FAILED $name"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ $((passed + skipped)) -gt 0 ]
