#!/bin/bash
# test_jepsen_check.sh - the program that judges histories: its exit codes, its files, its speed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

check=${BUILD:-build}/jepsen-check
histories=tests/jepsen/histories
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# shellcheck source=tests/support/tap.sh
. tests/support/tap.sh

# An exit code, and the arguments that lead to it.
exits_with() {
    local expected=$1 rc
    shift
    timeout 120 "$check" "$@" --out "$scratch"
    rc=$?
    echo "exit code $rc"
    [ "$rc" -eq "$expected" ]
}

says() {
    local text=$1
    shift
    timeout 120 "$check" "$@" --out "$scratch" 2>&1 | tee "$scratch/said"
    grep -qF -- "$text" "$scratch/said"
}

files_are_written() {
    mkdir "$scratch/run"
    cp "$histories/orders/bad-conserve-two-effects.edn" "$scratch/run/history.edn"
    timeout 120 "$check" "$scratch/run/history.edn"
    (cd "$scratch/run" && ls && grep -q '^{:valid? false :workload "conserve"' results.edn &&
        grep -q ':invariant "I5", :order "n1", :lines \[' results.edn &&
        grep -q '</html>' timeline.html && grep -q '</svg>' lateness.svg &&
        ! grep -qE 'src=|href=|@import|url\(' timeline.html lateness.svg)
}

# A history whose order is named like a piece of a page.
texts_are_escaped() {
    sed 's/"ghost"/"<script>alert(1)<\/script>"/' "$histories/orders/bad-phantom-nobody-asked.edn" \
        >"$scratch/script.edn"
    timeout 120 "$check" "$scratch/script.edn" --out "$scratch"
    ! grep -qF '<script>alert' "$scratch/timeline.html" "$scratch/lateness.svg"
}

# Half an hour: 22,000 orders that are paid, read, delivered, and listed by five nodes.
write_long_history() {
    awk -v orders=22000 '
    function line(process, type, f, value) {
        printf "{:index %d, :time %.0f, :process %s, :type :%s, :f :%s, :value %s}\n", \
            n++, t * 1e6, process, type, f, value
    }
    function call(f, id, request, args, error, state, index_) {
        line(id % 10, "invoke", f, sprintf("[\"o%d\" %s %s]", id, request, args))
        t += 0.5
        line(id % 10, "ok", f, sprintf("[\"o%d\" %s {:error :%s, :state :%s, :deadline-ms %.0f, " \
            ":remaining-ms %.0f, :index %d}]", id, request, error, state, d, d - (epoch + t), index_))
    }
    BEGIN {
        epoch = 1790000000000
        line(":runner", "info", "test", sprintf("{:workload \"conserve\", :nemesis \"none\", " \
            ":nodes 5, :seed 1, :epoch-ms %.0f, :lateness-bound-ms 1000, :recovery-bound-ms 5000}", epoch))
        for (i = 0; i < orders; i++) {
            t = i * 80
            d = int(epoch + t + 5000)
            call("schedule", i, sprintf("\"s%d\"", i), sprintf("{:deadline-ms %.0f}", d), "OK", "PENDING", 0)
            if (i % 2) call("pay", i, sprintf("\"p%d\"", i), "{}", "OK", "PAID", i + 100)
            else call("get", i, "nil", "{}", "OK", "PENDING", 0)
        }
        t = orders * 80 + 10000
        line(":runner", "info", "phase", ":heal")
        line(":runner", "info", "probe", "{:node 1, :after-ms 10, :ok true}")
        line(":runner", "info", "phase", ":final")
        for (i = 0; i < orders; i += 2) {
            v = sprintf("{:receiver \"r\", :at-ms %.0f, :order \"o%d\", :key \"k%d\", :fence \"2.%d\", " \
                ":deadline-ms %.0f, :attempt 1, :verdict :expired}", int(epoch + i * 80 + 5003), i, i, \
                i + 100, int(epoch + i * 80 + 5000))
            line(":receiver", "info", "effect", v)
            line(":receiver", "info", "delivery", v)
        }
        for (node = 1; node <= 5; node++) {
            line(":runner", "info", "final", sprintf("{:node %d, :applied 99999, :digest \"d\", :count %d}", node, orders))
            for (i = 0; i < orders; i++)
                line(":runner", "info", "final-order", sprintf("[%d \"o%d\" {:state :%s, :deadline-ms %.0f}]", \
                    node, i, i % 2 ? "PAID" : "EXPIRED", int(epoch + i * 80 + 5000)))
            line(":runner", "info", "final-end", sprintf("{:node %d}", node))
        }
    }' >"$scratch/long.edn"
}

long_history_is_quick() {
    write_long_history
    wc -l "$scratch/long.edn"
    local before=$SECONDS
    timeout 120 "$check" "$scratch/long.edn" --out "$scratch" || return 1
    echo "$((SECONDS - before)) s"
    [ $((SECONDS - before)) -le 60 ]
}

echo 1..14
check "a good history is true: 0" exits_with 0 "$histories/good/good-everything.edn"
check "a bad history is false: 1" exits_with 1 "$histories/cluster/bad-set-lost-everywhere.edn"
check "an undecided history is unknown: 3" exits_with 3 \
    "$histories/cluster/unknown-liveness-nothing-was-probed.edn"
check "no history at all is wrong usage: 2" exits_with 2
check "a history that cannot be read: 2" exits_with 2 "$scratch/none.edn"
check "a checker that does not exist: 2" exits_with 2 "$histories/good/good-everything.edn" --only nope
check "an empty history is unknown: 3" exits_with 3 /dev/null
check "only the chosen checkers judge" exits_with 0 "$histories/cluster/bad-set-lost-everywhere.edn" \
    --only conserve,timing
head -c 5100 "$histories/good/good-everything.edn" >"$scratch/torn.edn"
check "a torn history is unknown, and said to be" says "the last line is torn" "$scratch/torn.edn"
sed '5s/:index 4/:index 7/' "$histories/good/good-everything.edn" >"$scratch/bad.edn"
check "a bad line is named" says "line 5: :index 7 where 4 is expected" "$scratch/bad.edn"
check "a violation names its invariant and its lines" says "VIOLATION of I3 by set" \
    "$histories/cluster/bad-set-lost-everywhere.edn"
check "results, timeline and lateness stand beside the history, and need nothing else" \
    files_are_written
check "what a history says cannot break out of the pictures" texts_are_escaped
check "a history of half an hour is judged within a minute" long_history_is_quick
exit $((failures > 0))
