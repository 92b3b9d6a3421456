#!/bin/bash
# test_monitoring.sh - alerts, runbook and dashboard: Prometheus takes the rules, each fires when it should and not before
# (monitoring/alerts_test.yml), each has its section in docs/runbook.md, and all speak of metrics that docs/metrics.md has.
# Same for each build.
#
# Prints TAP. What needs promtool (Debian: prometheus) is skipped where it is not installed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# shellcheck source=tests/support/tap.sh
source tests/support/tap.sh
here=tests/monitoring

alerts() { sed -nE 's/^ +- alert: +//p' packaging/prometheus/alerts.yml | sort; }
sections() { sed -nE 's/^## (Orderschedd)/\1/p' docs/runbook.md | sort; }
tested() { sed -nE 's/^ +- name: +//p' $here/alerts_test.yml | sort -u; }
each_alert_has_its_section() { diff <(alerts) <(sections); }
each_alert_has_a_test() { diff <(alerts) <(tested); }
each_alert_names_its_section() {
    diff <(alerts | tr '[:upper:]' '[:lower:]' | sort) \
        <(sed -nE 's|^ +runbook: docs/runbook\.md#||p' packaging/prometheus/alerts.yml | sort)
}

# A histogram's samples have the family's name and an ending.
families_of_the_page() { grep -oE '^\| `orderschedd_[a-z_]+`' docs/metrics.md | tr -d '|` '; }
metrics_named_are_told() { # in this file
    local name family
    grep -oE '\borderschedd_[a-z_]*[a-z]\b' "$1" | sort -u | while read -r name; do
        family=$(sed -E 's/_(bucket|sum|count)$//' <<<"$name")
        families_of_the_page | grep -qxF -e "$name" -e "$family" || echo "$1: $name"
    done | grep .
}
all_metrics_named_are_told() {
    local file
    for file in packaging/prometheus/alerts.yml packaging/grafana/dashboard.json docs/runbook.md $here/alerts_test.yml; do
        ! metrics_named_are_told "$file" || return 1
    done
}
an_unknown_metric_is_found() {
    sed 's/orderschedd_dead\b/orderschedd_dad/' packaging/prometheus/alerts.yml >"$scratch/bad.yml"
    metrics_named_are_told "$scratch/bad.yml"
}

dashboard_is_whole() {
    python3 -c 'import json, sys
panels = json.load(open("packaging/grafana/dashboard.json"))["panels"]
ids = [p["id"] for p in panels]
assert len(set(ids)) == len(ids), "an id comes twice"
for p in panels:
    grid = p["gridPos"]
    assert grid["x"] + grid["w"] <= 24, p["title"]
    assert p["type"] == "row" or all(t["expr"].count("$job") for t in p["targets"]), p["title"]
places = [(p["gridPos"]["y"], p["gridPos"]["x"]) for p in panels]
assert len(set(places)) == len(places), "two panels in one place"'
}

check each_alert_has_its_section_in_the_runbook each_alert_has_its_section
check each_alert_names_its_section each_alert_names_its_section
check each_alert_has_a_test each_alert_has_a_test
check metrics_named_in_rules_dashboard_and_runbook_are_told all_metrics_named_are_told
check an_unknown_metric_is_found an_unknown_metric_is_found
if command -v python3 >/dev/null; then
    check the_dashboard_is_whole dashboard_is_whole
else
    number=$((number + 1))
    echo "ok $number - the_dashboard_is_whole # SKIP python3 is not installed"
fi

dashboard_rules() { # its expressions, as rules: promtool reads them
    python3 -c 'import json
print("groups: [{name: d, rules: [")
for p in json.load(open("packaging/grafana/dashboard.json"))["panels"]:
    for t in p.get("targets", []):
        expr = t["expr"].replace("$__rate_interval", "1m").replace("$job", "j")
        print("{record: x, expr: %s}," % json.dumps(expr))
print("]}]")' >"$scratch/dashboard.yml"
    promtool check rules --lint=none "$scratch/dashboard.yml"
}
a_late_alert_fails() { # its own test, the first
    mkdir -p "$scratch/packaging/prometheus" "$scratch/tests/monitoring"
    sed 's/for: 2m/for: 40m/' packaging/prometheus/alerts.yml >"$scratch/packaging/prometheus/alerts.yml"
    awk '/- name:/ && ++n == 2 { exit } { print }' $here/alerts_test.yml >"$scratch/tests/monitoring/alerts_test.yml"
    ! promtool test rules "$scratch/tests/monitoring/alerts_test.yml"
}
names=(prometheus_takes_the_rules prometheus_takes_the_dashboards_expressions each_alert_fires_when_it_should
    an_alert_that_is_late_fails_its_test)
if command -v promtool >/dev/null; then
    check "${names[0]}" promtool check rules --lint-fatal packaging/prometheus/alerts.yml
    check "${names[1]}" dashboard_rules
    check "${names[2]}" promtool test rules $here/alerts_test.yml
    check "${names[3]}" a_late_alert_fails
else
    for name in "${names[@]}"; do
        number=$((number + 1))
        echo "ok $number - $name # SKIP promtool is not installed (Debian: prometheus)"
    done
fi

echo "1..$number"
[ "$failures" -eq 0 ]
