/* it_bench.c - orderbench fire and drain against real nodes, with small numbers: what they print,
 * and that they tell a cluster that does its work from one that does not.
 * Runs beside others: waits 30 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/cluster/cluster.h"

/* A cluster of one for the whole group, and a scratch directory for outputs. */
struct world {
    struct cluster cluster;
    char out[400];
};

static int world_open(void **state)
{
    static struct world w;

    memset(&w, 0, sizeof w);
    cluster_init(&w.cluster, 1);
    cluster_start_alone(&w.cluster);
    snprintf(w.out, sizeof w.out, "%s/bench.out", w.cluster.dir);
    *state = &w;
    return 0;
}

static int world_close(void **state)
{
    struct world *w = *state;

    return cluster_close_alone(&w->cluster);
}

/* Run orderbench; returns its exit code. `args` end with NULL. */
static int bench(struct world *w, const char *const *args)
{
    char program[600];
    char *argv[32] = {program};
    unsigned n = 1;

    process_path("orderbench", program, sizeof program);
    for (; args[n - 1] != NULL; n++) {
        argv[n] = (char *)args[n - 1];
    }
    argv[n++] = "--endpoints";
    argv[n++] = w->cluster.endpoints;
    unlink(w->out);
    pid_t pid = process_start(argv, w->out, NULL, NULL);
    int status = 0;
    for (unsigned waited_ms = 0; waitpid(pid, &status, WNOHANG) == 0; waited_ms += 20) {
        if (waited_ms > 100000) {
            (void)process_end(pid, SIGKILL);
            fail_msg("orderbench does not end; see %s", w->out);
        }
        sleep_ms(20);
    }
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* What it wrote, of which the JSON object begins on a line of its own. */
static char *output(const struct world *w)
{
    char *text = calloc(1, 65536);
    FILE *f = fopen(w->out, "r");

    assert_non_null(f);
    (void)!fread(text, 1, 65535, f);
    fclose(f);
    return text;
}

static json_t *figures(const struct world *w)
{
    char *text = output(w);
    json_error_t error;
    json_t *object = json_loads(text, 0, &error);

    if (object == NULL) {
        fail_msg("%s: %s", error.text, text);
    }
    free(text);
    return object;
}

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_number(value)) {
        fail_msg("%s must be a number", key);
    }
    return json_number_value(value);
}

static void assert_lateness(const json_t *object, double max_ms)
{
    const json_t *lateness = json_object_get(object, "lateness_ms");

    assert_true(number(lateness, "p50") > 0);
    assert_true(number(lateness, "p50") <= number(lateness, "p99"));
    assert_true(number(lateness, "p99") <= number(lateness, "p999"));
    assert_true(number(lateness, "p999") <= number(lateness, "max"));
    assert_true(number(lateness, "max") < max_ms);
}

static void assert_sound(const json_t *object)
{
    assert_int_equal(number(object, "wrong"), 0);
    assert_int_equal(number(object, "lost"), 0);
    assert_int_equal(number(object, "duplicates"), 0);
}

static void drain_accounts_for_every_order(void **state)
{
    struct world *w = *state;

    assert_int_equal(bench(w, (const char *[]){"drain", "--orders", "300", "--lead", "3s", "-w",
                                               "json", "-q", NULL}),
                     0);
    json_t *object = figures(w);
    assert_string_equal(json_string_value(json_object_get(object, "bench")), "drain");
    assert_string_equal(json_string_value(json_object_get(object, "kind")), "http");
    assert_int_equal(number(object, "orders"), 300);
    assert_int_equal(number(object, "batch"), 1);
    assert_sound(object);
    assert_lateness(object, 30000);
    assert_true(number(object, "seconds") < 30);
    assert_true(number(object, "fires_per_s") >= 300 / 30);
    assert_non_null(
        json_string_value(json_object_get(json_object_get(object, "settings"), "clock")));
    json_decref(object);
}

static void drain_in_batches_and_by_workers_accounts_for_every_order(void **state)
{
    struct world *w = *state;
    static const char *const kinds[] = {"http", "worker"};

    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(bench(w, (const char *[]){"drain", "--orders", "300", "--kind", kinds[i],
                                                   "--batch", "20", "--lead", "3s", "-w", "json",
                                                   "-q", NULL}),
                         0);
        json_t *object = figures(w);
        assert_string_equal(json_string_value(json_object_get(object, "kind")), kinds[i]);
        assert_int_equal(number(object, "batch"), 20);
        assert_int_equal(number(json_object_get(object, "settings"), "workers"), i == 0 ? 0 : 4);
        assert_sound(object);
        assert_lateness(object, 30000);
        json_decref(object);
    }
}

static void drain_prints_a_table_for_people(void **state)
{
    struct world *w = *state;

    assert_int_equal(bench(w, (const char *[]){"drain", "--orders", "20", "-q", NULL}), 0);
    char *text = output(w);
    assert_non_null(strstr(text, "FIRES/S"));
    assert_non_null(strstr(text, "\ndrain  20 "));
    free(text);
}

static void fire_measures_alone_and_beside_a_dead_route(void **state)
{
    struct world *w = *state;
    static const char *const kinds[] = {"closed", "silent"};

    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(bench(w, (const char *[]){"fire", "--orders", "100", "--rate", "100",
                                                   "--routes", "3", "--dead", "1", "--dead-orders",
                                                   "50", "--dead-kind", kinds[i], "--lead", "2s",
                                                   "-w", "json", "-q", NULL}),
                         0);
        json_t *object = figures(w);
        assert_string_equal(json_string_value(json_object_get(object, "bench")), "fire");
        assert_sound(object);
        assert_lateness(object, 30000);
        assert_sound(json_object_get(object, "alone"));
        assert_lateness(json_object_get(object, "alone"), 30000);
        double alone = number(json_object_get(json_object_get(object, "alone"), "lateness_ms"),
                              "p99");
        double beside = number(json_object_get(object, "lateness_ms"), "p99");
        double ratio = number(json_object_get(object, "ratio"), "p99");
        assert_true(ratio > 0.99 * beside / alone && ratio < 1.01 * beside / alone);
        assert_true(number(object, "seconds") >= 0.9); /* spread over one second */
        json_decref(object);
    }
}

/* One at a time, each with a wait for the disk, they are not done when the time is over. */
static void orders_that_are_not_settled_in_time_are_lost(void **state)
{
    struct world *w = *state;

    assert_int_equal(bench(w, (const char *[]){"fire", "--orders", "400", "--over", "0s",
                                               "--settle", "1ms", "--lead", "2s", "--window", "1",
                                               "-w", "json", "-q", NULL}),
                     1);
    json_t *object = figures(w);
    assert_true(number(object, "lost") > 0);
    assert_int_equal(number(object, "wrong"), 0);
    json_decref(object);
}

static void too_little_time_to_schedule_is_named(void **state)
{
    struct world *w = *state;

    assert_int_equal(bench(w, (const char *[]){"drain", "--orders", "5000", "--lead", "1ms", "-q",
                                               NULL}),
                     1);
    char *text = output(w);
    assert_non_null(strstr(text, "give it more time with --lead"));
    free(text);
}

static void an_address_that_is_not_this_machines_is_named(void **state)
{
    struct world *w = *state;

    assert_int_equal(bench(w, (const char *[]){"drain", "--orders", "1", "--host", "192.0.2.1",
                                               "-q", NULL}),
                     3);
    char *text = output(w);
    assert_non_null(strstr(text, "cannot listen on 192.0.2.1"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drain_accounts_for_every_order),
        cmocka_unit_test(drain_in_batches_and_by_workers_accounts_for_every_order),
        cmocka_unit_test(drain_prints_a_table_for_people),
        cmocka_unit_test(fire_measures_alone_and_beside_a_dead_route),
        cmocka_unit_test(orders_that_are_not_settled_in_time_are_lost),
        cmocka_unit_test(too_little_time_to_schedule_is_named),
        cmocka_unit_test(an_address_that_is_not_this_machines_is_named),
    };

    return cmocka_run_group_tests(tests, world_open, world_close);
}
