/* it_orderbench.c - orderbench measures clusters of real processes, at tiny sizes: the rows are
 * there and sane (how fast is not looked at), and whatever ends it, its nodes end with it. */
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

#include "../support/cluster/process.h"

#define ARGS_MAX 24
#define BENCH_END_MS 180000 /* soak and overload take 15 s, and more on a busy machine */

/* A run of orderbench with its data in a scratch directory of its own. */
struct bench_run {
    char dir[256];
    char out[300];
    pid_t pid;
};

static void read_text(const char *path, char *text, size_t size)
{
    FILE *f = fopen(path, "r");

    assert_non_null(f);
    text[fread(text, 1, size - 1, f)] = 0;
    fclose(f);
}

static void bench_begin(struct bench_run *b, const char *const *args)
{
    char program[600];
    char *argv[ARGS_MAX] = {program};
    unsigned n = 1;

    scratch_make(b->dir, sizeof b->dir);
    snprintf(b->out, sizeof b->out, "%s.out", b->dir);
    process_path("orderbench", program, sizeof program);
    for (; *args != NULL; args++) {
        assert_true(n + 3 < ARGS_MAX);
        argv[n++] = (char *)*args;
    }
    if (strcmp(argv[1], "with") != 0) {
        argv[n++] = "--data";
        argv[n++] = b->dir;
    }
    b->pid = process_start(argv, b->out, NULL, NULL);
}

static void bench_end(struct bench_run *b)
{
    scratch_remove(b->dir);
    unlink(b->out);
}

static bool directory_is_empty(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    bool empty = true;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        empty = empty && entry->d_name[0] == '.';
    }
    closedir(dir);
    return empty;
}

/* What it printed: with -q nothing but the row. */
static json_t *bench_row(const char *const *args)
{
    struct bench_run b;
    json_error_t error;

    bench_begin(&b, args);
    int status = process_wait_long(b.pid, BENCH_END_MS);
    json_t *row = json_load_file(b.out, 0, &error);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || row == NULL) {
        char text[4096];
        read_text(b.out, text, sizeof text);
        fail_msg("orderbench %s: wait status %d, and in %s: %s", args[0], status, b.out, text);
    }
    assert_true(directory_is_empty(b.dir));
    bench_end(&b);
    return row;
}

static double figure(const json_t *row, const char *name)
{
    const json_t *value = json_object_get(row, name);

    if (!json_is_number(value)) {
        fail_msg("the row has no figure %s", name);
    }
    return json_number_value(value);
}

static void assert_latencies(const json_t *row)
{
    assert_true(figure(row, "ops_per_s") > 0);
    assert_true(figure(row, "seconds") > 0);
    assert_true(figure(row, "p50_ms") > 0);
    assert_true(figure(row, "p50_ms") <= figure(row, "p99_ms"));
    assert_true(figure(row, "p99_ms") <= figure(row, "p999_ms"));
    assert_true(figure(row, "p999_ms") <= figure(row, "max_ms"));
}

static void assert_row(const json_t *row, const char *bench, unsigned nodes, unsigned orders)
{
    assert_string_equal(json_string_value(json_object_get(row, "bench")), bench);
    assert_true(figure(row, "nodes") == nodes);
    assert_true(figure(row, "orders") == orders);
    assert_int_equal(json_array_size(json_object_get(row, "cpu_s")), nodes);
    json_t *rss = json_object_get(row, "rss_bytes");
    assert_int_equal(json_array_size(rss), nodes);
    for (unsigned i = 0; i < nodes; i++) {
        assert_in_range(json_integer_value(json_array_get(rss, i)), 1 << 20, 1 << 30);
    }
    assert_true(json_is_object(json_object_get(row, "settings")));
    assert_true(json_is_string(json_object_get(row, "version")));
}

/* Of a failover of so many rounds, which were asked for by this flag. */
static void assert_gaps(const json_t *row, const char *flag, unsigned rounds)
{
    assert_true(figure(json_object_get(row, "settings"), flag) == rounds);
    assert_int_equal(json_array_size(json_object_get(row, "gaps_ms")), rounds);
    assert_true(figure(row, "gap_median_ms") > 0);
    assert_true(figure(row, "gap_median_ms") <= figure(row, "max_ms"));
}

static void schedule_gives_a_row_for_pipelined_calls(void **state)
{
    json_t *row = bench_row(
        (const char *const[]){"schedule", "--orders", "3000", "-q", "-w", "json", NULL});

    (void)state;
    assert_row(row, "schedule", 3, 3000);
    assert_latencies(row);
    json_decref(row);
}

static void schedule_gives_a_row_for_calls_one_at_a_time(void **state)
{
    json_t *row = bench_row((const char *const[]){"schedule", "--orders", "50", "--outstanding",
                                                  "1", "--nodes", "1", "--pending", "100", "-q",
                                                  "-w", "json", NULL});

    (void)state;
    assert_row(row, "schedule", 1, 50);
    assert_latencies(row);
    assert_true(figure(json_object_get(row, "settings"), "outstanding") == 1);
    json_decref(row);
}

static void an_open_loop_takes_as_long_as_its_rate_says(void **state)
{
    json_t *row = bench_row((const char *const[]){"schedule", "--orders", "200", "--rate", "200",
                                                  "--clients", "2", "-q", "-w", "json", NULL});

    (void)state;
    assert_row(row, "schedule", 3, 200);
    assert_latencies(row);
    assert_true(figure(row, "seconds") >= 0.99); /* the last begins after 199/200 s */
    json_decref(row);
}

static void pay_gives_a_row(void **state)
{
    json_t *row = bench_row(
        (const char *const[]){"pay", "--orders", "2000", "-q", "-w", "json", NULL});

    (void)state;
    assert_row(row, "pay", 3, 2000);
    assert_latencies(row);
    json_decref(row);
}

static void memory_gives_bytes_for_each_order(void **state)
{
    json_t *row = bench_row((const char *const[]){"memory", "--orders", "20000", "--rest", "100ms",
                                                  "-q", "-w", "json", NULL});

    (void)state;
    assert_row(row, "memory", 3, 20000);
    assert_true(figure(row, "bytes_per_order") > 96); /* id and payload */
    assert_true(figure(row, "bytes_per_order") < 5000);
    json_decref(row);
}

static void restart_tells_when_all_nodes_serve_again(void **state)
{
    json_t *row = bench_row(
        (const char *const[]){"restart", "--orders", "1000", "-q", "-w", "json", NULL});

    (void)state;
    assert_row(row, "restart", 3, 1000);
    assert_true(figure(row, "seconds") > 0);
    assert_true(figure(row, "caught_up_seconds") >= figure(row, "seconds"));
    json_decref(row);
}

static void restart_tells_when_one_node_is_back(void **state)
{
    json_t *row = bench_row((const char *const[]){"restart", "--orders", "1000", "--kill", "one",
                                                  "-q", "-w", "json", NULL});

    (void)state;
    assert_row(row, "restart", 3, 1000);
    assert_true(figure(row, "caught_up_seconds") >= figure(row, "seconds"));
    json_decref(row);
}

static void failover_gives_a_gap_for_each_kill(void **state)
{
    json_t *row = bench_row((const char *const[]){"failover", "--orders", "100", "--kills", "2",
                                                  "-q", "-w", "json", NULL});

    (void)state;
    assert_row(row, "failover", 3, 100);
    assert_gaps(row, "kills", 2);
    json_decref(row);
}

static void failover_gives_a_gap_for_each_leader_that_was_cut_off(void **state)
{
    struct bench_run b;
    json_error_t error;

    (void)state;
    bench_begin(&b, (const char *const[]){"failover", "--orders", "100", "--cut", "2", "-q", "-w",
                                          "json", NULL});
    int status = process_wait_long(b.pid, BENCH_END_MS);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
        char text[4096];
        read_text(b.out, text, sizeof text);
        assert_non_null(strstr(text, "NO_CABLES"));
        bench_end(&b);
        print_message("skipped: no network namespaces can be made here\n");
        skip();
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    json_t *row = json_load_file(b.out, 0, &error);
    assert_non_null(row);
    assert_row(row, "failover", 3, 100);
    assert_gaps(row, "cut", 2);
    /* Nobody can know sooner that it is gone than a follower that has missed it for a while. */
    assert_true(figure(row, "gap_median_ms") > 400);
    json_decref(row);
    bench_end(&b);
}

static void failover_gives_gap_and_lateness_around_a_sigterm(void **state)
{
    json_t *row = bench_row((const char *const[]){"failover", "--orders", "100", "--rate", "1000",
                                                  "--term", "1", "-q", "-w", "json", NULL});

    (void)state;
    assert_row(row, "failover", 3, 100);
    assert_gaps(row, "term", 1);
    json_t *lateness = json_object_get(row, "lateness_ms");
    assert_true(figure(lateness, "n") > 0);
    assert_true(figure(lateness, "p99") > 0);
    assert_true(figure(row, "lateness_p99_worst_ms") > 0);
    json_decref(row);
}

static void growth_gives_a_ratio(void **state)
{
    json_t *row = bench_row((const char *const[]){"growth", "--orders", "5000", "--base", "100",
                                                  "--sample", "1000", "-q", "-w", "json", NULL});

    (void)state;
    assert_row(row, "growth", 3, 5000);
    assert_latencies(row);
    assert_true(figure(row, "ratio") > 0);
    json_decref(row);
}

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
        json_t *row = bench_row(args);
        const json_t *loads = json_object_get(row, "loads");
        assert_row(row, "stall_reads", 3, 3000);
        assert_true(json_array_size(loads) >= 10);
        for (size_t k = 0; k < json_array_size(loads); k++) {
            const json_t *load = json_array_get(loads, k);
            assert_true(figure(load, "writes") > 0);
            assert_true(figure(load, "connections") == 0 || figure(load, "sent") > 0);
            const json_t *machine = json_object_get(load, "machine_max_ms");
            assert_true(json_is_null(machine) || json_number_value(machine) > 0);
        }
        elections = (json_int_t)figure(row, "elections");
        json_decref(row);
    }
    assert_int_equal(elections, 0);
}

static void stall_sees_snapshots_under_load(void **state)
{
    json_t *row = bench_row((const char *const[]){
        "stall", "--orders", "2000", "--rate", "2000", "--over", "1s", "--at-most", "20s",
        "--node-flags", "snapshot-threshold=300,snapshot-trailing=1024", "-q", "-w", "json", NULL});

    (void)state;
    assert_row(row, "stall", 3, 2000);
    assert_true(figure(row, "max_ms") > 0);
    assert_true(figure(row, "snapshots") > 0);
    assert_string_equal(json_string_value(json_object_get(row, "stall_seen_from")),
                        "the node (loop_stalls_us)");
    assert_true(figure(json_object_get(row, "local_reads"), "n") > 100);
    assert_true(figure(json_object_get(row, "linearizable_reads"), "n") > 100);
    json_decref(row);
}

static void soak_accounts_for_each_order_though_the_leader_is_killed(void **state)
{
    json_t *row = bench_row((const char *const[]){"soak", "--orders", "4000", "--lead", "6s",
                                                  "--over", "6s", "--down", "1s", "-q", "-w",
                                                  "json", NULL});

    (void)state;
    assert_row(row, "soak", 3, 4000);
    assert_true(figure(row, "wrong") == 0);
    assert_true(figure(row, "paid") == 2000);
    assert_true(figure(row, "fired") == 2000);
    assert_true(figure(row, "leaderships") >= 2);
    assert_true(figure(row, "duplicates") <= figure(row, "duplicates_at_most"));
    assert_true(figure(row, "gap_ms") > 0); /* as in a failover */
    assert_true(figure(row, "caught_up_seconds") >= figure(row, "restart_seconds"));
    json_t *before = json_object_get(row, "lateness_before_ms");
    json_t *gap = json_object_get(row, "lateness_gap_ms");
    json_t *after = json_object_get(row, "lateness_after_ms");
    assert_true(figure(before, "n") + figure(gap, "n") + figure(after, "n") == 2000);
    assert_true(figure(gap, "n") > 0);
    assert_true(figure(gap, "max") > 0);
    json_decref(row);
}

/* The time for all follows from a sample, which is not part of the account. */
static void soak_finds_the_time_to_load_by_itself(void **state)
{
    json_t *row = bench_row((const char *const[]){"soak", "--orders", "1000", "--pay", "0.25",
                                                  "--kill", "none", "--nodes", "1", "--over", "1s",
                                                  "-q", "-w", "json", NULL});

    (void)state;
    assert_row(row, "soak", 1, 1000);
    assert_true(figure(row, "paid") == 250);
    assert_true(figure(row, "fired") == 750);
    assert_true(figure(row, "duplicates") == 0);
    assert_true(figure(json_object_get(row, "settings"), "sample") > 0);
    json_decref(row);
}

static void too_short_a_time_to_load_is_said_and_nothing_is_measured(void **state)
{
    struct bench_run b;
    char text[4096];

    (void)state;
    bench_begin(&b, (const char *const[]){"soak", "--orders", "20000", "--lead", "1ms", "--nodes",
                                          "1", "--kill", "none", NULL});
    int status = process_wait(b.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    read_text(b.out, text, sizeof text);
    assert_non_null(strstr(text, "give them more time with --lead"));
    bench_end(&b);
}

static void overload_is_answered_busy_and_leaves_all_well(void **state)
{
    json_t *row = bench_row((const char *const[]){"overload", "--over", "2s", "--calm", "500ms",
                                                  "--after", "1s", "--timeout", "3s", "--factor",
                                                  "4", "--node-flags", "max-requests=8", "-q", "-w",
                                                  "json", NULL});
    json_t *settings = json_object_get(row, "settings");

    (void)state;
    assert_true(figure(row, "nodes") == 3);
    assert_true(figure(row, "wrong") == 0);
    assert_true(figure(row, "ok") > 0);
    assert_true(figure(row, "busy") > 0);
    assert_true(figure(row, "peak_per_s") > 0);
    assert_true(figure(row, "goodput_ratio") > 0);
    assert_true(figure(row, "offered_per_s") >= figure(row, "goodput_per_s"));
    assert_true(figure(settings, "factor") == 4);
    assert_true(figure(json_object_get(row, "lateness_before_ms"), "n") > 0);
    assert_true(figure(json_object_get(row, "lateness_during_ms"), "n") > 0);
    assert_true(figure(json_object_get(row, "lateness_after_ms"), "n") > 0);
    json_decref(row);
}

static void a_cluster_that_runs_is_measured_from_outside(void **state)
{
    char program[600];

    (void)state;
    process_path("orderbench", program, sizeof program);
    json_t *row = bench_row((const char *const[]){
        "with", "--nodes", "1", "--", "sh", "-c",
        "exec \"$0\" schedule --orders 500 -q -w json --endpoints \"$ORDERSCHED_ENDPOINTS\"",
        program, NULL});
    assert_true(figure(row, "orders") == 500);
    assert_latencies(row);
    assert_null(json_object_get(row, "cpu_s"));
    assert_null(json_object_get(row, "nodes"));
    json_decref(row);
}

static void with_has_the_exit_code_of_its_program(void **state)
{
    struct bench_run b;

    (void)state;
    bench_begin(&b,
                (const char *const[]){"with", "--nodes", "1", "--", "sh", "-c", "exit 7", NULL});
    int status = process_wait(b.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    bench_end(&b);
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
        bench_begin(&b, long_run);
        wait_for_nodes(&b, 3);
        int status = process_end(b.pid, signals[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 128 + signals[i]);
        assert_int_equal(nodes_of(&b), 0);
        assert_true(directory_is_empty(b.dir));
        bench_end(&b);
    }
}

static void nodes_do_not_outlive_an_orderbench_that_is_killed(void **state)
{
    struct bench_run b;

    (void)state;
    bench_begin(&b, long_run);
    wait_for_nodes(&b, 3);
    (void)process_end(b.pid, SIGKILL);
    wait_for_nodes(&b, 0);
    bench_end(&b);
}

static void nodes_that_do_not_start_are_an_error_that_keeps_their_logs(void **state)
{
    struct bench_run b;
    char text[4096];

    (void)state;
    bench_begin(&b, (const char *const[]){"schedule", "--orders", "10", "--timeout", "2s",
                                          "--node-flags", "no-such-flag=1", NULL});
    int status = process_wait(b.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    read_text(b.out, text, sizeof text);
    assert_non_null(strstr(text, "has ended; its log tells why"));
    assert_non_null(strstr(text, "the logs of the nodes are kept in"));
    assert_false(directory_is_empty(b.dir));
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedule_gives_a_row_for_pipelined_calls),
        cmocka_unit_test(schedule_gives_a_row_for_calls_one_at_a_time),
        cmocka_unit_test(an_open_loop_takes_as_long_as_its_rate_says),
        cmocka_unit_test(pay_gives_a_row),
        cmocka_unit_test(memory_gives_bytes_for_each_order),
        cmocka_unit_test(restart_tells_when_all_nodes_serve_again),
        cmocka_unit_test(restart_tells_when_one_node_is_back),
        cmocka_unit_test(failover_gives_a_gap_for_each_kill),
        cmocka_unit_test(failover_gives_a_gap_for_each_leader_that_was_cut_off),
        cmocka_unit_test(failover_gives_gap_and_lateness_around_a_sigterm),
        cmocka_unit_test(growth_gives_a_ratio),
        cmocka_unit_test(stall_sees_snapshots_under_load),
        cmocka_unit_test(nobody_is_elected_under_loads_of_reads),
        cmocka_unit_test(soak_accounts_for_each_order_though_the_leader_is_killed),
        cmocka_unit_test(soak_finds_the_time_to_load_by_itself),
        cmocka_unit_test(too_short_a_time_to_load_is_said_and_nothing_is_measured),
        cmocka_unit_test(overload_is_answered_busy_and_leaves_all_well),
        cmocka_unit_test(a_cluster_that_runs_is_measured_from_outside),
        cmocka_unit_test(with_has_the_exit_code_of_its_program),
        cmocka_unit_test(a_signal_ends_the_nodes_and_leaves_nothing_behind),
        cmocka_unit_test(nodes_do_not_outlive_an_orderbench_that_is_killed),
        cmocka_unit_test(nodes_that_do_not_start_are_an_error_that_keeps_their_logs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
