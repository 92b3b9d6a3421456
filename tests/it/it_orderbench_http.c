/* it_orderbench_http.c - orderbench http measures clusters of real processes, at tiny sizes: the rows are
 * there and sane (how fast is not looked at), and crowds of hostile HTTP clients come, are dealt with, and
 * no order has a wrong fate.
 * Runs beside others: waits 90 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../support/cluster/bench_run.h"

/* Each way that it has, with what is asked of a row. */
static void expect_ways(const json_t *row, const char *bench, unsigned orders, unsigned rounds)
{
    static const char *const ways[] = {"client", "leader", "follower"};

    bench_run_expect_row(row, bench, 3, orders);
    bench_run_expect_latencies(row);
    assert_true(bench_run_figure(row, "ratio") > 0);
    assert_true(bench_run_figure(row, "ratio_through_follower") > 0);
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        const json_t *way = json_object_get(row, ways[i]);
        bench_run_expect_latencies(way);
        assert_int_equal(json_array_size(json_object_get(way, "ops_per_s_of_each_round")), rounds);
        assert_true(bench_run_figure(way, "load_cpu_us_an_order") > 0);
    }
}

static void one_request_at_a_time_is_measured_beside_the_client(void **state)
{
    json_t *row = bench_run_row((const char *const[]){"http", "--orders", "50", "--outstanding",
                                                      "1", "--rounds", "2", "-q", "-w", "json",
                                                      NULL});

    (void)state;
    expect_ways(row, "http_one", 50, 2);
    assert_true(bench_run_figure(json_object_get(row, "settings"), "outstanding") == 1);
    json_decref(row);
}

static void many_connections_are_measured(void **state)
{
    json_t *row = bench_run_row((const char *const[]){"http", "--orders", "1000", "--rounds", "1",
                                                      "-q", "-w", "json", NULL});

    (void)state;
    expect_ways(row, "http", 1000, 1);
    json_decref(row);
}

static void batches_are_measured_in_orders(void **state)
{
    json_t *row = bench_run_row((const char *const[]){"http", "--orders", "1500", "--batch", "1024",
                                                      "--outstanding", "2", "--rounds", "1", "-q",
                                                      "-w", "json", NULL});

    (void)state;
    expect_ways(row, "http_batch", 1500, 1);
    assert_true(bench_run_figure(json_object_get(row, "settings"), "batch") == 1024);
    json_decref(row);
}

static void an_open_loop_takes_as_long_as_its_rate_says(void **state)
{
    json_t *row = bench_run_row((const char *const[]){"http", "--orders", "200", "--rate", "200",
                                                      "--rounds", "1", "-q", "-w", "json", NULL});

    (void)state;
    expect_ways(row, "http_paced", 200, 1);
    /* the last begins after 199/200 s */
    assert_true(bench_run_figure(json_object_get(row, "leader"), "seconds") >= 0.99);
    assert_true(bench_run_figure(json_object_get(row, "follower"), "seconds") >= 0.99);
    json_decref(row);
}

static void a_cluster_of_one_has_no_follower(void **state)
{
    json_t *row = bench_run_row((const char *const[]){"http", "--orders", "50", "--nodes", "1",
                                                      "--rounds", "1", "-q", "-w", "json", NULL});

    (void)state;
    bench_run_expect_row(row, "http", 1, 50);
    assert_true(bench_run_figure(row, "ratio") > 0);
    assert_null(json_object_get(row, "follower"));
    assert_null(json_object_get(row, "ratio_through_follower"));
    json_decref(row);
}

static void hostile_clients_come_and_leave_all_well(void **state)
{
    json_t *row = bench_run_row((const char *const[]){"http", "--hostile", "--orders", "500",
                                                      "--over", "500ms", "--rounds", "1", "-q",
                                                      "-w", "json", NULL});
    const json_t *crowds = json_object_get(row, "crowds");
    unsigned refused = 0;

    (void)state;
    bench_run_expect_row(row, "http_hostile", 3, 500);
    assert_true(bench_run_figure(row, "wrong") == 0);
    assert_true(bench_run_figure(row, "client_failed") == 0);
    assert_true(bench_run_figure(row, "lateness_p99_ratio") > 0);
    assert_true(bench_run_figure(row, "client_p99_ratio") > 0);
    assert_true(json_array_size(crowds) >= 10);
    for (size_t i = 0; i < json_array_size(crowds); i++) {
        const json_t *crowd = json_array_get(crowds, i);
        const char *name = json_string_value(json_object_get(crowd, "crowd"));
        bool begins_only = strstr(name, "idle") != NULL || strstr(name, "a byte") != NULL;
        double answered = bench_run_figure(crowd, "answered");
        assert_true(bench_run_figure(crowd, "opened") > 0);
        assert_true(bench_run_figure(json_object_get(crowd, "with"), "client_p99_ms") > 0);
        assert_true(bench_run_figure(json_object_get(crowd, "without"), "client_p99_ms") > 0);
        if (!begins_only && !(bench_run_figure(crowd, "sent") > 0)) {
            fail_msg("nobody could send anything: %s", name);
        }
        refused += strcmp(name, "what is refused") == 0 && answered > 0 &&
                   bench_run_figure(crowd, "refused") == answered;
    }
    assert_int_equal(refused, 1);
    json_decref(row);
}

static void one_kind_of_hostile_clients_comes_alone(void **state)
{
    json_t *row = bench_run_row((const char *const[]){"http", "--hostile", "--only", "metrics",
                                                      "--orders", "500", "--over", "500ms",
                                                      "--rounds", "1", "-q", "-w", "json", NULL});
    const json_t *crowds = json_object_get(row, "crowds");
    const json_t *crowd = json_array_get(crowds, 0);

    (void)state;
    bench_run_expect_row(row, "http_hostile", 3, 500);
    assert_int_equal(json_array_size(crowds), 1);
    assert_string_equal(json_string_value(json_object_get(crowd, "crowd")), "metrics");
    assert_true(bench_run_figure(crowd, "answered") > 0);
    assert_true(bench_run_figure(crowd, "refused") == 0);
    assert_true(bench_run_figure(row, "wrong") == 0);
    json_decref(row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_request_at_a_time_is_measured_beside_the_client),
        cmocka_unit_test(many_connections_are_measured),
        cmocka_unit_test(batches_are_measured_in_orders),
        cmocka_unit_test(an_open_loop_takes_as_long_as_its_rate_says),
        cmocka_unit_test(a_cluster_of_one_has_no_follower),
        cmocka_unit_test(hostile_clients_come_and_leave_all_well),
        cmocka_unit_test(one_kind_of_hostile_clients_comes_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
