#!/bin/bash
# test_runner.sh - run.sh itself: it must not take a crash, a hang or an empty run for success.
# Same for each build.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/tests/unit" "$scratch/b"
cp tests/run.sh "$scratch/tests/"

number=0
failures=0

# A fake test program: its name, what it does as a script, and what its source says.
program() {
    echo "/* ${3:-} */" >"$scratch/tests/unit/$1.c"
    printf '#!/bin/bash\n%s\n' "$2" >"$scratch/b/$1"
    chmod +x "$scratch/b/$1"
}

# Name, expected exit code, expected last line, words that the output must have.
expect() {
    local name=$1 code=$2 last=$3 words=$4 output rc problem=''
    shift 4
    output=$(UNIT_TIMEOUT=${UNIT_TIMEOUT:-1} "$scratch/tests/run.sh" --build b "$@" 2>&1)
    rc=$?
    [ "$rc" -eq "$code" ] || problem="exit code $rc, not $code"
    [ "$(tail -n 1 <<<"$output")" = "$last" ] || problem="the last line is not: $last"
    grep -qF -- "$words" <<<"$output" || problem="nowhere: $words"
    number=$((number + 1))
    if [ -z "$problem" ]; then
        echo "ok $number - $name"
    else
        failures=$((failures + 1))
        echo "not ok $number - $name"
        printf '%s\n%s\n' "$problem" "$output" | sed 's/^/# /'
    fi
}

expect a_run_without_tests_fails 1 '0 passed, 1 failed, 0 skipped' ''
program test_good $'echo 1..2; echo "seed 5"; echo "ok 1 - one"; echo "ok 2 - two"; echo "# ok - tests"'
expect each_test_of_a_program_counts 0 '2 passed, 0 failed, 0 skipped' '  ok   two'
expect a_name_that_is_no_test_fails 1 '2 passed, 1 failed, 0 skipped' 'test_godo: no such test' test_good test_godo
program test_bad $'echo 1..2; echo "ok 1 - fine"; echo said before >&2; echo "not ok 2 - wrong"; echo "# line 7: 1 != 2"; echo "# not ok - tests"; exit 1'
expect a_failing_test_is_shown_with_what_it_said 1 '1 passed, 1 failed, 0 skipped' '| said before' test_bad
expect a_failing_test_is_shown_with_its_reason 1 '1 passed, 1 failed, 0 skipped' '| # line 7: 1 != 2' test_bad
expect a_failing_test_is_named_at_the_end 1 '3 passed, 1 failed, 0 skipped' 'FAILED test_bad: wrong'
program test_crash $'echo 1..3; echo "ok 1 - fine"; echo "last words"; kill -SEGV $$'
expect a_crash_is_a_failure_and_so_is_what_did_not_run 1 '1 passed, 2 failed, 0 skipped' \
    'killed by signal 11 after 1 of its 3 tests' test_crash
expect a_crash_is_shown_with_its_last_words 1 '1 passed, 2 failed, 0 skipped' '| last words' test_crash
program test_crash $'kill -ABRT $$'
expect a_crash_before_the_first_test_is_a_failure 1 '0 passed, 1 failed, 0 skipped' 'killed by signal 6' test_crash
program test_hang $'echo 1..1; sleep 60'
expect a_program_that_hangs_is_ended 1 '0 passed, 1 failed, 0 skipped' 'ran out of time' test_hang
program test_leak $'echo 1..1; echo "ok 1 - fine"; echo "leaked 8 bytes"; exit 23'
expect a_failure_after_the_tests_is_one 1 '1 passed, 1 failed, 0 skipped' 'exit code 23' test_leak
program test_short $'echo 1..2; echo "ok 1 - fine"'
expect a_program_that_ends_early_fails 1 '1 passed, 1 failed, 0 skipped' 'it ended after 1 of its 2' test_short
program test_silent 'true'
expect a_program_without_tests_fails 1 '0 passed, 1 failed, 0 skipped' 'it ran no test' test_silent
touch "$scratch/tests/unit/test_unbuilt.c"
expect a_program_that_is_not_built_fails 1 '0 passed, 1 failed, 0 skipped' 'is not built' test_unbuilt
rm "$scratch"/tests/unit/*.c
printf '#!/bin/bash\ntrue\n' >"$scratch/tests/test_script.sh"
chmod +x "$scratch/tests/test_script.sh"
expect a_script_without_tests_of_its_own_is_one 0 '1 passed, 0 failed, 0 skipped' 'ok   test_script.sh'
printf '#!/bin/bash\necho why; exit 3\n' >"$scratch/tests/test_script.sh"
expect a_script_that_fails_is_a_failure 1 '0 passed, 1 failed, 0 skipped' '| why'

rm "$scratch/tests/test_script.sh"
program test_half $'echo 1..3; echo "ok 1 - one"; echo "ok 2 - two # SKIP no moon"; echo "ok 3 - three # skip no moon"'
expect what_is_skipped_has_not_passed 0 '1 passed, 0 failed, 2 skipped' '  skip two: no moon' test_half
expect the_reasons_of_skips_stand_at_the_end 0 '1 passed, 0 failed, 2 skipped' \
    'SKIPPED 2 of test_half: no moon' test_half
program test_none 'echo "1..0 # SKIP python3 is not installed"'
expect a_program_may_be_skipped_as_a_whole 0 '0 passed, 0 failed, 1 skipped' \
    'SKIPPED 1 of test_none: python3 is not installed' test_none
program test_cmocka $'echo 1..2; echo "skipped: root is needed"; echo "not ok 1 # SKIP a"; echo "ok 2 # SKIP b"'
expect cmockas_skips_are_skips_in_each_of_its_versions 0 '0 passed, 0 failed, 2 skipped' \
    'SKIPPED 2 of test_cmocka: root is needed' test_cmocka
program test_dumb $'echo 1..1; echo "ok 1 # SKIP a"'
expect a_skip_without_a_reason_says_so 0 '0 passed, 0 failed, 1 skipped' \
    'SKIPPED 1 of test_dumb: it does not say why' test_dumb
program test_short $'echo 1..3; echo "ok 1 - a # SKIP no moon"; echo "ok 2 - fine"'
expect a_skipped_test_is_not_taken_for_one_that_did_not_run 1 '1 passed, 1 failed, 1 skipped' \
    'it ended after 2 of its 3' test_short
program test_locale $'echo 1..1; [ -z "$(bash -c true 2>&1)" ] && echo "ok 1 - quiet"'
{ export LC_ALL=xx_XX.UTF-8; } 2>/dev/null
expect a_locale_that_is_not_there_disturbs_no_test 0 '1 passed, 0 failed, 0 skipped' 'quiet' test_locale

# Tests that run at once, if each has met so many in networks of their own before its tenths of a second are over.
meets() { # tenths, how many, names
    local name
    rm -rf "$scratch"/tests/unit/* "$scratch/met" && mkdir "$scratch/met"
    for name in "${@:3}"; do
        program "$name" "echo 1..1; readlink /proc/self/ns/net >$scratch/met/$name
            for ((i = 0; i < $1; i++)); do
                [ \$(cat $scratch/met/* | sort -u | wc -l) -lt $2 ] || { echo 'ok 1 - $name met'; exit; }
                sleep 0.1
            done
            rm $scratch/met/$name; echo 'not ok 1 - $name is alone'; exit 1" 'Runs beside others: waits 2 s.'
    done
}
# shellcheck disable=SC2016 # the inner shell's
if unshare --net sh -c 'PATH=$PATH:/usr/sbin:/sbin ip link set lo up' 2>/dev/null; then
    export UNIT_TIMEOUT=30
    meets 200 3 test_a test_b test_c
    LANES=3 expect those_that_wait_run_beside_each_other_each_in_a_network_of_its_own 0 \
        '3 passed, 0 failed, 0 skipped' 'test_c met'
    meets 10 2 test_a test_b
    LANES=1 expect no_more_run_than_there_are_lanes 1 '0 passed, 2 failed, 0 skipped' 'test_b is alone'
    meets 10 2 test_a test_b
    sed -i 's/Runs beside others.*//' "$scratch/tests/unit/test_b.c"
    LANES=3 expect a_test_that_does_not_say_so_has_the_machine_for_itself 1 \
        '0 passed, 2 failed, 0 skipped' 'test_b is alone'
    meets 200 2 test_a
    program test_b "readlink /proc/self/ns/net >$scratch/met/test_b
        echo 1..1; [ \$(nice) -eq 19 ] && echo 'ok 1 - low'" 'Runs beside others: computes 2 s.'
    LANES=1 expect those_that_compute_run_beside_those_that_wait_and_give_way 0 \
        '2 passed, 0 failed, 0 skipped' 'ok   low'
else
    for number in $((number + 1)) $((number + 2)) $((number + 3)) $((number + 4)); do
        echo "ok $number - tests run beside others # SKIP no network can be made here"
    done
fi

rm "$scratch"/tests/unit/*.c
program test_pages 'echo 1..1; echo "ok 1 - pages"' 'Same for each build.'
program test_other 'echo 1..1; echo "ok 1 - other"'
expect a_first_run_has_all_tests 0 '2 passed, 0 failed, 0 skipped' 'ok   pages'
AGAIN=yes expect a_second_names_what_it_leaves_out 0 '1 passed, 0 failed, 0 skipped' 'left out here: test_pages'
AGAIN=yes expect what_is_asked_for_by_its_name_is_never_left_out 0 '1 passed, 0 failed, 0 skipped' 'ok   pages' test_pages

rm "$scratch"/tests/unit/*.c
export UNIT_TIMEOUT=60
hangs="echo \$\$ >$scratch/pid; exec sleep 60"
ends() { # what a runner that is ended ends, by a name
    local name=$1
    rm -f "$scratch/pid"
    "$scratch/tests/run.sh" --build b >"$scratch/said" 2>&1 &
    for _ in {1..100}; do [ ! -s "$scratch/pid" ] || break; sleep 0.1; done
    kill $! && wait $! 2>/dev/null
    for _ in {1..100}; do kill -0 "$(cat "$scratch/pid")" 2>/dev/null || break; sleep 0.1; done
    number=$((number + 1))
    if [ -s "$scratch/pid" ] && ! kill -0 "$(cat "$scratch/pid")" 2>/dev/null; then
        echo "ok $number - $name"
    else
        failures=$((failures + 1))
        echo "not ok $number - $name"
        sed 's/^/# /' "$scratch/said"
    fi
}
program test_long "$hangs"
ends a_runner_that_is_ended_ends_its_test
program test_long 'exec sleep 60' 'Runs beside others: waits 60 s.'
program test_heavy "$hangs" 'Runs beside others: computes 90 s.'
ends a_runner_that_is_ended_ends_what_computes

echo "1..$number"
[ "$failures" -eq 0 ]
