# tap.sh - one check of a test in shell, as a line of TAP; sourced. The script has a directory of
# its own, $scratch, and may have a function `explain` that says more when a check fails.

number=0
failures=0

# A name, and a condition as a command. What that says is shown when it fails.
check() {
    local name=$1
    shift
    number=$((number + 1))
    if "$@" >"$scratch/checked" 2>&1; then
        echo "ok $number - $name"
    else
        failures=$((failures + 1))
        echo "not ok $number - $name"
        { cat "$scratch/checked" && explain; } | sed 's/^/# /'
    fi
}
explain() { :; }
