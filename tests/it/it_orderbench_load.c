/* it_orderbench_load.c - orderbench measures clusters of real processes under loads that take the whole machine,
 * at tiny sizes: the rows are there and sane (how fast is not looked at). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/cluster/bench_run.h"

/* Whoever reads too much costs nobody the leadership. A machine that stands still for half a second
 * may, so that one of two runs has to be without an election. */
static void nobody_is_elected_under_loads_of_reads(void **state)
{
    static const char *const args[] = {
        "stall", "--reads", "--orders", "3000", "--over", "700ms", "-w", "json", "-q", NULL,
    };
    json_int_t elections = 1;

    (void)state;
    for (unsigned i = 0; i < 2 && elections > 0; i++) {
        json_t *row = bench_run_row(args);
        const json_t *loads = json_object_get(row, "loads");
        bench_run_expect_row(row, "stall_reads", 3, 3000);
        assert_true(json_array_size(loads) >= 10);
        for (size_t k = 0; k < json_array_size(loads); k++) {
            const json_t *load = json_array_get(loads, k);
            assert_true(bench_run_figure(load, "writes") > 0);
            assert_true(bench_run_figure(load, "connections") == 0 ||
                        bench_run_figure(load, "sent") > 0);
            const json_t *machine = json_object_get(load, "machine_max_ms");
            assert_true(json_is_null(machine) || json_number_value(machine) > 0);
        }
        elections = (json_int_t)bench_run_figure(row, "elections");
        json_decref(row);
    }
    assert_int_equal(elections, 0);
}

static void stall_sees_snapshots_under_load(void **state)
{
    json_t *row = bench_run_row((const char *const[]){
        "stall", "--orders", "2000", "--rate", "2000", "--over", "1s", "--at-most", "20s",
        "--node-flags", "snapshot-threshold=300,snapshot-trailing=1024", "-q", "-w", "json", NULL});

    (void)state;
    bench_run_expect_row(row, "stall", 3, 2000);
    assert_true(bench_run_figure(row, "max_ms") > 0);
    assert_true(bench_run_figure(row, "snapshots") > 0);
    assert_string_equal(json_string_value(json_object_get(row, "stall_seen_from")),
                        "the node (loop_stalls_us)");
    assert_true(bench_run_figure(json_object_get(row, "local_reads"), "n") > 100);
    assert_true(bench_run_figure(json_object_get(row, "linearizable_reads"), "n") > 100);
    json_decref(row);
}

static void overload_is_answered_busy_and_leaves_all_well(void **state)
{
    json_t *row = bench_run_row((const char *const[]){"overload", "--over", "2s", "--calm", "500ms",
                                                      "--after", "1s", "--timeout", "3s",
                                                      "--factor", "4", "--node-flags",
                                                      "max-requests=8", "-q", "-w", "json", NULL});
    json_t *settings = json_object_get(row, "settings");

    (void)state;
    assert_true(bench_run_figure(row, "nodes") == 3);
    assert_true(bench_run_figure(row, "wrong") == 0);
    assert_true(bench_run_figure(row, "ok") > 0);
    assert_true(bench_run_figure(row, "busy") > 0);
    assert_true(bench_run_figure(row, "peak_per_s") > 0);
    assert_true(bench_run_figure(row, "goodput_ratio") > 0);
    assert_true(bench_run_figure(row, "offered_per_s") >= bench_run_figure(row, "goodput_per_s"));
    assert_true(bench_run_figure(settings, "factor") == 4);
    assert_true(bench_run_figure(json_object_get(row, "lateness_before_ms"), "n") > 0);
    assert_true(bench_run_figure(json_object_get(row, "lateness_during_ms"), "n") > 0);
    assert_true(bench_run_figure(json_object_get(row, "lateness_after_ms"), "n") > 0);
    json_decref(row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stall_sees_snapshots_under_load),
        cmocka_unit_test(nobody_is_elected_under_loads_of_reads),
        cmocka_unit_test(overload_is_answered_busy_and_leaves_all_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
