#!/bin/bash
# run.sh - runs the tests of a build directory and counts them.
#
#   tests/run.sh [--build DIR] [NAME...]
#
# Without names: each test_*.c and it_*.c below tests/ (as DIR/test_x, DIR/it_x, built by `make`), and
# tests/test_*.sh. A name may be a shell pattern: 'test_*', it_failover.
# Unit tests (test_*) get UNIT_TIMEOUT seconds each, the others LONG_TIMEOUT.
#
# A test has the machine for itself, as its bounds of time may need. One that waits for most of its time, with
# bounds that others who wait do not strain, says so in its first lines: "Runs beside others: waits N s". LANES of
# these (two for each core) run at once, those that take longest first, before all others; each has a network of its
# own, in which all ports are free. Where none can be made (root and `ip` are needed) they run one after the other.
#
# What they leave of the cores goes to those that say "Runs beside others: computes N s": they have no bounds of
# time but their limit here, which is LONG_TIMEOUT, and run with a low priority, as many at once as there are cores.
#
# With AGAIN=yes, for a second run with another build, what looks at no build is left out and named: it
# says "Same for each build" in its first lines. Asked for by its name it does run.
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
cores=$(nproc)
lanes=${LANES:-$((2 * cores))}

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
trap 'end_all; rm -rf "$scratch"' EXIT
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
# names of what failed to a file of its directory, and the reasons of what was skipped to another. rc is
# how the program ended.
account() {
    awk -v program="$1" -v rc="$2" -v seconds="$3" -v cpu="$4" -v counts="$5/counts" \
        -v skips="$5/skips" '
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
            printf "  %d passed, %d failed, %d skipped in %.1f s, of which %.1f s of a CPU\n", passed, \
                failed, skipped, seconds, cpu
        }' "$5/output"
}

# One test, in a shell of its own; what is said and counted of it goes to files in a directory.
run_one() {
    local path=$1 limit=$2 dir=$3 supp=lsan name begin=0 end=0 rc child
    shift 3 # what is left stands before the command, and becomes it
    name=$(basename "$path")
    echo "$name"
    if [ ! -x "$path" ]; then
        echo "$path is not built" >"$dir/output"
        rc=127
    else
        begin=$(date +%s.%N)
        case $name in
        it_* | test_client_lost | test_client_tls_renew | test_tls_rotation.sh) supp=lsan-lost ;;
        esac
        # To a file, not a pipe: a process left behind must not keep the runner waiting.
        LSAN_OPTIONS=$(lsan $supp) "$@" timeout -k 10 "$limit" "$path" \
            >"$dir/output" 2>&1 </dev/null {ended}>&- &
        child=$!
        trap 'kill "$child"' TERM
        wait "$child"
        rc=$?
        end=$(date +%s.%N)
    fi
    times >"$dir/times" # the second line: of all processes that were waited for
    account "$name" "$rc" "$(awk "BEGIN { print $end - $begin }")" \
        "$(awk -F'[ms ]+' 'NR == 2 { print $1 * 60 + $2 + $3 * 60 + $4 }' "$dir/times")" "$dir"
}

# The shells of the tests that run, by their directories, whose names come through a pipe as they end; what each has
# said that it does, and how many do so.
declare -A running=() does=() busy=([waits]=0 [computes]=0 [alone]=0)
mkfifo "$scratch/ended"
exec {ended}<>"$scratch/ended"
end_all() {
    [ ${#running[@]} -eq 0 ] || { kill "${running[@]}" && wait; } 2>/dev/null
}

start() { # what it does, "seconds source", and what stands before the command
    local path=${2#* } dir
    [[ $path == *.sh ]] || path=$build/$(basename "$path" .c)
    dir=$(mktemp -d "$scratch/test.XXXXXX")
    { run_one "$path" "${2%% *}" "$dir" "${@:3}" >"$dir/said" 2>&1; echo "$dir" >&$ended; } &
    running[$dir]=$!
    does[$dir]=$1
    busy[$1]=$((busy[$1] + 1))
}

# Waits until one of those that run has ended, shows what it said and adds up what it counted.
finish_one() {
    local dir p=0 f=1 s=0 line
    read -r dir <&$ended
    busy[${does[$dir]}]=$((busy[${does[$dir]}] - 1))
    unset "running[$dir]" "does[$dir]"
    cat "$dir/said"
    {
        read -r p f s
        while read -r line; do
            failed_names+=("$line")
        done
    } <"$dir/counts"
    passed=$((passed + p))
    failed=$((failed + f))
    skipped=$((skipped + s))
    [ ! -e "$dir/skips" ] || cat "$dir/skips" >>"$scratch/skips"
    rm -rf "$dir"
}

# Every test there is, unit tests first: "seconds source".
list_all() {
    find tests -name 'test_*.c' | sort | sed "s/^/$unit_timeout /"
    find tests -maxdepth 1 -name 'test_*.sh' | sort | sed "s/^/$unit_timeout /"
    find tests -name 'it_*.c' | sort | sed "s/^/$long_timeout /"
}

# What a test says of how it is to run, in its first lines: the rest of the line behind these words.
says() { head -n 12 "$2" | sed -n "s/.*$1//p"; }

mapfile -t all < <(list_all)
if [ $# -eq 0 ]; then
    set -- '*'
fi
waits=() computes=() alone=() left_out=()
for pattern in "$@"; do
    found=no
    for entry in "${all[@]}"; do
        source=${entry#* }
        name=$(basename "$source" .c)
        # shellcheck disable=SC2053 # a pattern on purpose
        [[ $name == $pattern || ${name%.sh} == $pattern ]] || continue
        found=yes
        beside=$(says 'Runs beside others: ' "$source")
        if [ "${AGAIN:-}" = yes ] && [ "${name%.sh}" != "${pattern%.sh}" ] &&
            [ -n "$(says 'Same for each build' "$source")" ]; then
            left_out+=("${name%.sh}")
        elif [[ $beside == waits\ * ]]; then
            waits+=("${beside//[!0-9]/} $entry")
        elif [[ $beside == computes\ * ]]; then
            computes+=("${beside//[!0-9]/} $long_timeout $source")
        else
            alone+=("$entry")
        fi
    done
    if [ $found = no ]; then
        echo "$pattern: no such test"
        failed=$((failed + 1))
        failed_names+=("$pattern: no such test")
    fi
done
[ ${#left_out[@]} -eq 0 ] || echo "the same for each build, so left out here: ${left_out[*]}"

# shellcheck disable=SC2016 # the inner shell's
own_network=(unshare --net -- sh -c 'PATH=$PATH:/usr/sbin:/sbin ip link set lo up && exec "$@"' sh)
# In a session of its own: the kernel shares a processor among sessions first, and one in which something always
# runs wakes late.
# shellcheck disable=SC2016 # the inner shell's
humbly=(setsid sh -c '{ echo 5 >/proc/self/autogroup; } 2>/dev/null; exec nice -n 19 "$@"' sh)
if [ $((${#waits[@]} + ${#computes[@]})) -lt 2 ] || ! "${own_network[@]}" true 2>/dev/null; then
    own_network=() lanes=1
    waits+=("${computes[@]}") computes=()
fi
by_seconds() { [ $# -eq 0 ] || printf '%s\n' "$@" | sort -srn -k1,1; }
mapfile -t waits < <(by_seconds "${waits[@]}")
mapfile -t computes < <(by_seconds "${computes[@]}")
while :; do
    while [ ${#waits[@]} -gt 0 ] && [ "${busy[waits]}" -lt "$lanes" ]; do
        start waits "${waits[0]#* }" "${own_network[@]}"
        waits=("${waits[@]:1}")
    done
    while [ ${#computes[@]} -gt 0 ] && [ "${busy[computes]}" -lt "$cores" ]; do
        start computes "${computes[0]#* }" "${humbly[@]}" "${own_network[@]}"
        computes=("${computes[@]:1}")
    done
    [ ${#running[@]} -gt 0 ] || break
    finish_one
done
for entry in "${alone[@]}"; do
    start alone "$entry"
    finish_one
done

echo
[ ! -e "$scratch/skips" ] ||
    sort "$scratch/skips" | uniq -c | sed -E 's/^ *([0-9]+) /SKIPPED \1 of /'
for name in "${failed_names[@]}"; do
    echo "FAILED $name"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ $((passed + skipped)) -gt 0 ]
