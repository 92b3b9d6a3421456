/* it_orderbench.c - orderbench measures clusters of real processes, at tiny sizes: the rows are
 * there and sane (how fast is not looked at), and whatever ends it, its nodes end with it.
 * Runs beside others: waits 60 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/cluster/bench_run.h"
#include "../support/cluster/process.h"

/* Of a failover of so many rounds, which were asked for by this flag. */
static void assert_gaps(const json_t *row, const char *flag, unsigned rounds)
{
    assert_true(bench_run_figure(json_object_get(row, "settings"), flag) == rounds);
    assert_int_equal(json_array_size(json_object_get(row, "gaps_ms")), rounds);
    assert_true(bench_run_figure(row, "gap_median_ms") > 0);
    assert_true(bench_run_figure(row, "gap_median_ms") <= bench_run_figure(row, "max_ms"));
}

static void schedule_gives_a_row_for_pipelined_calls(void **state)
{
    json_t *row = bench_run_row(
        (const char *const[]){"schedule", "--orders", "3000", "-q", "-w", "json", NULL});

    (void)state;
    bench_run_expect_row(row, "schedule", 3, 3000);
    bench_run_expect_latencies(row);
    json_decref(row);
}

static void schedule_gives_a_row_for_calls_one_at_a_time(void **state)
{
    json_t *row = bench_run_row((const char *const[]){"schedule", "--orders", "50", "--outstanding",
                                                      "1", "--nodes", "1", "--pending", "100", "-q",
                                                      "-w", "json", NULL});

    (void)state;
    bench_run_expect_row(row, "schedule", 1, 50);
    bench_run_expect_latencies(row);
    assert_true(bench_run_figure(json_object_get(row, "settings"), "outstanding") == 1);
    json_decref(row);
}

/* Without the client library, in the clear and by OpenSSL. */
static void schedule_gives_a_row_for_calls_by_hand(void **state)
{
    (void)state;
    for (unsigned tls = 0; tls < 2; tls++) {
        json_t *row = bench_run_row((const char *const[]){"schedule", "--by-hand", "--orders", "50",
                                                          "-q", "-w", "json", tls ? "--tls" : NULL,
                                                          NULL});
        bench_run_expect_row(row, tls ? "by_hand_tls" : "by_hand", 3, 50);
        bench_run_expect_latencies(row);
        assert_true(bench_run_figure(json_object_get(row, "settings"), "outstanding") == 1);
        assert_true(json_is_true(json_object_get(json_object_get(row, "settings"), "tls")) == tls);
        json_decref(row);
    }
}

static void an_open_loop_takes_as_long_as_its_rate_says(void **state)
{
    json_t *row = bench_run_row((const char *const[]){"schedule", "--orders", "200", "--rate",
                                                      "200", "--clients", "2", "-q", "-w", "json",
                                                      NULL});

    (void)state;
    bench_run_expect_row(row, "schedule", 3, 200);
    bench_run_expect_latencies(row);
    assert_true(bench_run_figure(row, "seconds") >= 0.99); /* the last begins after 199/200 s */
    json_decref(row);
}

static void pay_gives_a_row(void **state)
{
    json_t *row = bench_run_row(
        (const char *const[]){"pay", "--orders", "2000", "-q", "-w", "json", NULL});

    (void)state;
    bench_run_expect_row(row, "pay", 3, 2000);
    bench_run_expect_latencies(row);
    json_decref(row);
}

static void memory_gives_bytes_for_each_order(void **state)
{
    json_t *row = bench_run_row((const char *const[]){"memory", "--orders", "20000", "--rest",
                                                      "100ms", "-q", "-w", "json", NULL});

    (void)state;
    bench_run_expect_row(row, "memory", 3, 20000);
    assert_true(bench_run_figure(row, "bytes_per_order") > 96); /* id and payload */
    assert_true(bench_run_figure(row, "bytes_per_order") < 5000);
    json_decref(row);
}

static void restart_tells_when_all_nodes_serve_again(void **state)
{
    json_t *row = bench_run_row(
        (const char *const[]){"restart", "--orders", "1000", "-q", "-w", "json", NULL});

    (void)state;
    bench_run_expect_row(row, "restart", 3, 1000);
    assert_true(bench_run_figure(row, "seconds") > 0);
    assert_true(bench_run_figure(row, "caught_up_seconds") >= bench_run_figure(row, "seconds"));
    json_decref(row);
}

static void restart_tells_when_one_node_is_back(void **state)
{
    json_t *row = bench_run_row((const char *const[]){"restart", "--orders", "1000", "--kill",
                                                      "one", "-q", "-w", "json", NULL});

    (void)state;
    bench_run_expect_row(row, "restart", 3, 1000);
    assert_true(bench_run_figure(row, "caught_up_seconds") >= bench_run_figure(row, "seconds"));
    json_decref(row);
}

static void failover_gives_a_gap_for_each_kill(void **state)
{
    json_t *row = bench_run_row((const char *const[]){"failover", "--orders", "100", "--kills", "2",
                                                      "-q", "-w", "json", NULL});

    (void)state;
    bench_run_expect_row(row, "failover", 3, 100);
    assert_gaps(row, "kills", 2);
    json_decref(row);
}

static void failover_gives_a_gap_for_each_leader_that_was_cut_off(void **state)
{
    struct bench_run b;
    json_error_t error;

    (void)state;
    bench_run_begin(&b, (const char *const[]){"failover", "--orders", "100", "--cut", "2", "-q",
                                              "-w", "json", NULL});
    int status = process_wait_long(b.pid, BENCH_RUN_END_MS);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
        char text[4096];
        bench_run_read_text(b.out, text, sizeof text);
        assert_non_null(strstr(text, "NO_CABLES"));
        bench_run_end(&b);
        print_message("skipped: no network namespaces can be made here\n");
        skip();
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    json_t *row = json_load_file(b.out, 0, &error);
    assert_non_null(row);
    bench_run_expect_row(row, "failover", 3, 100);
    assert_gaps(row, "cut", 2);
    /* Nobody can know sooner that it is gone than a follower that has missed it for a while. */
    assert_true(bench_run_figure(row, "gap_median_ms") > 400);
    json_decref(row);
    bench_run_end(&b);
}

static void failover_gives_gap_and_lateness_around_a_sigterm(void **state)
{
    json_t *row = bench_run_row((const char *const[]){"failover", "--orders", "100", "--rate",
                                                      "1000", "--term", "1", "-q", "-w", "json",
                                                      NULL});

    (void)state;
    bench_run_expect_row(row, "failover", 3, 100);
    assert_gaps(row, "term", 1);
    json_t *lateness = json_object_get(row, "lateness_ms");
    assert_true(bench_run_figure(lateness, "n") > 0);
    assert_true(bench_run_figure(lateness, "p99") > 0);
    assert_true(bench_run_figure(row, "lateness_p99_worst_ms") > 0);
    json_decref(row);
}

static void growth_gives_a_ratio(void **state)
{
    json_t *row = bench_run_row((const char *const[]){"growth", "--orders", "5000", "--base", "100",
                                                      "--sample", "1000", "-q", "-w", "json",
                                                      NULL});

    (void)state;
    bench_run_expect_row(row, "growth", 3, 5000);
    bench_run_expect_latencies(row);
    assert_true(bench_run_figure(row, "ratio") > 0);
    json_decref(row);
}

static void soak_accounts_for_each_order_though_the_leader_is_killed(void **state)
{
    json_t *row = bench_run_row((const char *const[]){"soak", "--orders", "4000", "--lead", "6s",
                                                      "--over", "6s", "--down", "1s", "-q", "-w",
                                                      "json", NULL});

    (void)state;
    bench_run_expect_row(row, "soak", 3, 4000);
    assert_true(bench_run_figure(row, "wrong") == 0);
    assert_true(bench_run_figure(row, "paid") == 2000);
    assert_true(bench_run_figure(row, "fired") == 2000);
    assert_true(bench_run_figure(row, "leaderships") >= 2);
    assert_true(bench_run_figure(row, "duplicates") <= bench_run_figure(row, "duplicates_at_most"));
    assert_true(bench_run_figure(row, "gap_ms") > 0); /* as in a failover */
    assert_true(bench_run_figure(row, "caught_up_seconds") >=
                bench_run_figure(row, "restart_seconds"));
    json_t *before = json_object_get(row, "lateness_before_ms");
    json_t *gap = json_object_get(row, "lateness_gap_ms");
    json_t *after = json_object_get(row, "lateness_after_ms");
    assert_true(bench_run_figure(before, "n") + bench_run_figure(gap, "n") +
                    bench_run_figure(after, "n") ==
                2000);
    assert_true(bench_run_figure(gap, "n") > 0);
    assert_true(bench_run_figure(gap, "max") > 0);
    json_decref(row);
}

/* The time for all follows from a sample, which is not part of the account. */
static void soak_finds_the_time_to_load_by_itself(void **state)
{
    json_t *row = bench_run_row((const char *const[]){"soak", "--orders", "1000", "--pay", "0.25",
                                                      "--kill", "none", "--nodes", "1", "--over",
                                                      "1s", "-q", "-w", "json", NULL});

    (void)state;
    bench_run_expect_row(row, "soak", 1, 1000);
    assert_true(bench_run_figure(row, "paid") == 250);
    assert_true(bench_run_figure(row, "fired") == 750);
    assert_true(bench_run_figure(row, "duplicates") == 0);
    assert_true(bench_run_figure(json_object_get(row, "settings"), "sample") > 0);
    json_decref(row);
}

static void too_short_a_time_to_load_is_said_and_nothing_is_measured(void **state)
{
    struct bench_run b;
    char text[4096];

    (void)state;
    bench_run_begin(&b, (const char *const[]){"soak", "--orders", "20000", "--lead", "1ms",
                                              "--nodes", "1", "--kill", "none", NULL});
    int status = process_wait(b.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    bench_run_read_text(b.out, text, sizeof text);
    assert_non_null(strstr(text, "give them more time with --lead"));
    bench_run_end(&b);
}

static void a_cluster_that_runs_is_measured_from_outside(void **state)
{
    char program[600];

    (void)state;
    process_path("orderbench", program, sizeof program);
    json_t *row = bench_run_row((const char *const[]){
        "with", "--nodes", "1", "--", "sh", "-c",
        "exec \"$0\" schedule --orders 500 -q -w json --endpoints \"$ORDERSCHED_ENDPOINTS\"",
        program, NULL});
    assert_true(bench_run_figure(row, "orders") == 500);
    bench_run_expect_latencies(row);
    assert_null(json_object_get(row, "cpu_s"));
    assert_null(json_object_get(row, "nodes"));
    json_decref(row);
}

static void with_has_the_exit_code_of_its_program(void **state)
{
    struct bench_run b;

    (void)state;
    bench_run_begin(&b, (const char *const[]){"with", "--nodes", "1", "--", "sh", "-c", "exit 7",
                                              NULL});
    int status = process_wait(b.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    bench_run_end(&b);
}

/* ---- its end ---- */

/* How many processes have this path in their command line, orderbench itself left out. */
static unsigned nodes_of(const struct bench_run *b)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    unsigned n = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        char path[300], line[2048] = "";
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || atoi(entry->d_name) == b->pid) {
            continue;
        }
        snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        FILE *f = fopen(path, "r");
        size_t len = f != NULL ? fread(line, 1, sizeof line - 1, f) : 0;
        if (f != NULL) {
            fclose(f);
        }
        n += len > 0 && memmem(line, len, b->dir, strlen(b->dir)) != NULL;
    }
    closedir(dir);
    return n;
}

static void wait_for_nodes(const struct bench_run *b, unsigned n)
{
    uint64_t until = monotonic_ms() + 20000;

    while (nodes_of(b) != n) {
        if (monotonic_ms() > until) {
            fail_msg("%u nodes run, expected %u", nodes_of(b), n);
        }
        sleep_ms(20);
    }
}

static const char *const long_run[] = {"schedule", "--orders", "100000", "--rate",
                                       "100",      "-q",       NULL};

static void a_signal_ends_the_nodes_and_leaves_nothing_behind(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    struct bench_run b;

    (void)state;
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) {
        bench_run_begin(&b, long_run);
        wait_for_nodes(&b, 3);
        int status = process_end(b.pid, signals[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 128 + signals[i]);
        assert_int_equal(nodes_of(&b), 0);
        assert_true(bench_run_is_empty(b.dir));
        bench_run_end(&b);
    }
}

static void nodes_do_not_outlive_an_orderbench_that_is_killed(void **state)
{
    struct bench_run b;

    (void)state;
    bench_run_begin(&b, long_run);
    wait_for_nodes(&b, 3);
    (void)process_end(b.pid, SIGKILL);
    wait_for_nodes(&b, 0);
    bench_run_end(&b);
}

static void nodes_that_do_not_start_are_an_error_that_keeps_their_logs(void **state)
{
    struct bench_run b;
    char text[4096];

    (void)state;
    bench_run_begin(&b, (const char *const[]){"schedule", "--orders", "10", "--timeout", "2s",
                                              "--node-flags", "no-such-flag=1", NULL});
    int status = process_wait(b.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    bench_run_read_text(b.out, text, sizeof text);
    assert_non_null(strstr(text, "has ended; its log tells why"));
    assert_non_null(strstr(text, "the logs of the nodes are kept in"));
    assert_false(bench_run_is_empty(b.dir));
    bench_run_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedule_gives_a_row_for_pipelined_calls),
        cmocka_unit_test(schedule_gives_a_row_for_calls_one_at_a_time),
        cmocka_unit_test(schedule_gives_a_row_for_calls_by_hand),
        cmocka_unit_test(an_open_loop_takes_as_long_as_its_rate_says),
        cmocka_unit_test(pay_gives_a_row),
        cmocka_unit_test(memory_gives_bytes_for_each_order),
        cmocka_unit_test(restart_tells_when_all_nodes_serve_again),
        cmocka_unit_test(restart_tells_when_one_node_is_back),
        cmocka_unit_test(failover_gives_a_gap_for_each_kill),
        cmocka_unit_test(failover_gives_a_gap_for_each_leader_that_was_cut_off),
        cmocka_unit_test(failover_gives_gap_and_lateness_around_a_sigterm),
        cmocka_unit_test(growth_gives_a_ratio),
        cmocka_unit_test(soak_accounts_for_each_order_though_the_leader_is_killed),
        cmocka_unit_test(soak_finds_the_time_to_load_by_itself),
        cmocka_unit_test(too_short_a_time_to_load_is_said_and_nothing_is_measured),
        cmocka_unit_test(a_cluster_that_runs_is_measured_from_outside),
        cmocka_unit_test(with_has_the_exit_code_of_its_program),
        cmocka_unit_test(a_signal_ends_the_nodes_and_leaves_nothing_behind),
        cmocka_unit_test(nodes_do_not_outlive_an_orderbench_that_is_killed),
        cmocka_unit_test(nodes_that_do_not_start_are_an_error_that_keeps_their_logs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
