/* test_orderbench_measure.c - what orderbench counts with: its histogram, the ids and deadlines of its
 * orders, its rows, and the goals beside them.
 *
 * These parts belong to the program orderbench and are in no archive, hence the .c files here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../client/bench/measure/flags.c"
#include "../../client/bench/goals.c"
#include "../../client/base/histogram.c"
#include "../../client/bench/measure/ids.c"
#include "../../client/bench/measure/row.c"
#include "../support/random.h"

/* ---- histogram ---- */

static void an_empty_histogram_has_no_quantiles(void **state)
{
    static const struct histogram h;

    (void)state;
    assert_int_equal(histogram_quantile(&h, 0.5), 0);
    assert_int_equal(histogram_quantile(&h, 1), 0);
}

static void small_durations_are_counted_exactly(void **state)
{
    static struct histogram h;

    (void)state;
    for (uint64_t us = 1; us <= 100; us++) {
        histogram_add(&h, us);
    }
    assert_int_equal(h.n, 100);
    assert_int_equal(h.min, 1);
    assert_int_equal(h.max, 100);
    assert_int_equal(histogram_quantile(&h, 0), 1);
    assert_int_equal(histogram_quantile(&h, 0.5), 50);
    assert_int_equal(histogram_quantile(&h, 0.99), 99);
    assert_int_equal(histogram_quantile(&h, 1), 100);
}

static void buckets_follow_without_gap_or_overlap(void **state)
{
    (void)state;
    for (unsigned i = 0; i + 1 < HISTOGRAM_COUNTS; i++) {
        assert_int_equal(histogram_index(histogram_top(i)), i);
        assert_int_equal(histogram_index(histogram_top(i) + 1), i + 1);
    }
    assert_int_equal(histogram_index(0), 0);
    assert_int_equal(histogram_index(UINT64_MAX), HISTOGRAM_COUNTS - 1);
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void quantiles_are_within_a_hundredth_of_the_sorted_values(void **state)
{
    enum { N = 20000 };
    static const double quantiles[] = {0.01, 0.5, 0.9, 0.99, 0.999, 1};
    static uint64_t values[N];
    static struct histogram whole, half;
    struct random rng = random_start();

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        values[i] = random_next(&rng) >> (24 + random_next(&rng) % 40);
        histogram_add(i % 2 == 0 ? &whole : &half, values[i]);
    }
    histogram_merge(&whole, &half);
    qsort(values, N, sizeof *values, by_size);
    assert_int_equal(whole.n, N);
    assert_int_equal(whole.min, values[0]);
    assert_int_equal(whole.max, values[N - 1]);
    for (unsigned i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        uint64_t exact = values[(unsigned)ceil(quantiles[i] * N) - 1];
        uint64_t found = histogram_quantile(&whole, quantiles[i]);
        assert_true(found >= exact);
        assert_true((double)found <= (double)exact * 1.01);
    }
}

/* ---- orders ---- */

static void each_number_and_each_run_has_ids_of_its_own(void **state)
{
    char a[BENCH_ID_SIZE], b[BENCH_ID_SIZE];

    (void)state;
    bench_id(0xbeef, 1234567, a);
    assert_memory_equal(a, "0000beef-00000000000000001234567", BENCH_ID_SIZE);
    bench_id(0xbeef, 1234568, b);
    assert_memory_not_equal(a, b, BENCH_ID_SIZE);
    bench_id(0xbee0, 1234567, b);
    assert_memory_not_equal(a, b, BENCH_ID_SIZE);
}

static void deadlines_are_spread_over_the_hours_after_the_first(void **state)
{
    unsigned hours[24] = {0};

    (void)state;
    for (uint64_t i = 0; i < 240000; i++) {
        uint64_t ms = bench_delay_ms(i);
        assert_true(ms >= 3600000 && ms < 24ull * 3600000);
        hours[ms / 3600000]++;
    }
    assert_int_equal(hours[0], 0);
    assert_int_equal(hours[23], 0);
    for (unsigned i = 1; i < 23; i++) {
        assert_in_range(hours[i], 10000, 11800);
    }
    assert_true(bench_delay_ms(UINT64_MAX) < 24ull * 3600000);
}

/* ---- rows ---- */

static void a_row_leaves_out_what_does_not_apply(void **state)
{
    struct bench_row row;

    (void)state;
    bench_row_init(&row, "restart");
    row.nodes = 3;
    row.orders = 1000;
    row.seconds = 1.5;
    json_t *object = bench_row_json(&row);
    assert_string_equal(json_string_value(json_object_get(object, "bench")), "restart");
    assert_int_equal(json_integer_value(json_object_get(object, "nodes")), 3);
    assert_int_equal(json_integer_value(json_object_get(object, "orders")), 1000);
    assert_true(json_number_value(json_object_get(object, "seconds")) == 1.5);
    assert_string_equal(json_string_value(json_object_get(object, "version")), ORDERSCHEDD_VERSION);
    assert_null(json_object_get(object, "ops_per_s"));
    assert_null(json_object_get(object, "ratio"));
    assert_null(json_object_get(object, "cpu_s"));
    json_decref(object);
    bench_row_free(&row);
}

static void a_row_has_what_the_nodes_used_between_two_looks(void **state)
{
    struct bench_usage before[CLUSTER_NODES_MAX] = {{1, 10}, {5, 10}};
    struct bench_usage after[CLUSTER_NODES_MAX] = {{1.75, 30}, {2, 40}}; /* the second: anew */
    struct bench_row row;

    (void)state;
    bench_row_init(&row, "schedule");
    bench_row_take_usage(&row, 2, before, after);
    json_t *object = bench_row_json(&row);
    json_t *cpu = json_object_get(object, "cpu_s");
    assert_int_equal(json_array_size(cpu), 2);
    assert_true(json_number_value(json_array_get(cpu, 0)) == 0.75);
    assert_true(json_number_value(json_array_get(cpu, 1)) == 2);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(object, "rss_bytes"), 1)),
                     40);
    json_decref(object);
    bench_row_free(&row);
}

/* ---- goals ---- */

static const struct goal *goal_named(const char *name)
{
    for (unsigned i = 0; i < goals_n; i++) {
        if (strcmp(goals[i].name, name) == 0) {
            return &goals[i];
        }
    }
    fail_msg("no goal is named %s", name);
    return NULL;
}

static struct goal_result judged(const char *name, const char *rows)
{
    json_t *array = json_loads(rows, 0, NULL);

    assert_non_null(array);
    struct goal_result r = goal_judge(goal_named(name), array);
    json_decref(array);
    return r;
}

static void a_goal_is_looked_up_in_the_row_that_it_is_about(void **state)
{
    const char *rows =
        "[{\"bench\":\"pay\",\"ops_per_s\":1,\"settings\":{\"outstanding\":1}},"
        "{\"bench\":\"schedule\",\"ops_per_s\":2600,\"orders\":7,\"settings\":{\"outstanding\":1}},"
        "{\"bench\":\"schedule\",\"ops_per_s\":50000,\"settings\":{\"outstanding\":64}}]";

    (void)state;
    struct goal_result one = judged("schedule, one at a time, orders/s", rows);
    struct goal_result best = judged("schedule, best client, orders/s", rows);
    assert_true(one.found && one.met && one.measured == 2600 && one.orders == 7);
    assert_true(best.found && !best.met && best.measured == 50000 && best.away == 4);
    assert_false(judged("lateness p99 ms", rows).found);
}

static void a_goal_may_be_an_upper_bound_and_lie_deeper_in_the_row(void **state)
{
    const char *rows = "[{\"bench\":\"fire\",\"lateness_ms\":{\"p50\":1,\"p99\":10}}]";

    (void)state;
    assert_true(judged("lateness p50 ms", rows).met);
    struct goal_result p99 = judged("lateness p99 ms", rows);
    assert_true(p99.found && !p99.met && p99.away == 2);
    assert_false(judged("lateness max ms", rows).found);
}

static void a_small_and_a_large_size_have_goals_of_their_own(void **state)
{
    const char *rows = "[{\"bench\":\"restart\",\"orders\":1000000,\"seconds\":3},"
                       "{\"bench\":\"restart\",\"orders\":10000000,\"seconds\":19}]";

    (void)state;
    struct goal_result small = judged("kill -9 of all nodes, serving again, s (1 M)", rows);
    struct goal_result large = judged("kill -9 of all nodes, serving again, s (10 M)", rows);
    assert_true(small.found && !small.met && small.away == 1.5);
    assert_true(large.found && large.met && large.orders == 1e7);
}

static void rows_of_any_shape_are_passed_over(void **state)
{
    (void)state;
    for (unsigned i = 0; i < goals_n; i++) {
        assert_false(judged(goals[i].name, "[]").found);
        assert_false(judged(goals[i].name, "[1,null,\"x\",{},[],{\"bench\":7},"
                                           "{\"bench\":\"schedule\",\"settings\":[]},"
                                           "{\"bench\":\"fire\",\"lateness_ms\":\"late\"},"
                                           "{\"bench\":\"pay\",\"ops_per_s\":\"many\"}]")
                         .found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_histogram_has_no_quantiles),
        cmocka_unit_test(small_durations_are_counted_exactly),
        cmocka_unit_test(buckets_follow_without_gap_or_overlap),
        cmocka_unit_test(quantiles_are_within_a_hundredth_of_the_sorted_values),
        cmocka_unit_test(each_number_and_each_run_has_ids_of_its_own),
        cmocka_unit_test(deadlines_are_spread_over_the_hours_after_the_first),
        cmocka_unit_test(a_row_leaves_out_what_does_not_apply),
        cmocka_unit_test(a_row_has_what_the_nodes_used_between_two_looks),
        cmocka_unit_test(a_goal_is_looked_up_in_the_row_that_it_is_about),
        cmocka_unit_test(a_goal_may_be_an_upper_bound_and_lie_deeper_in_the_row),
        cmocka_unit_test(a_small_and_a_large_size_have_goals_of_their_own),
        cmocka_unit_test(rows_of_any_shape_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
