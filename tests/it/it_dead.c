/* Dead letters on three real processes, handled with orderctl as an operator would: they survive
 * their leader, tell why they died, wait while their route is paused, and are delivered once when
 * they are redriven; what is dropped ends cancelled.
 * Runs beside others: waits 10 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../support/cluster/cluster.h"

#define ORDERS 300 /* more than a page of the list */
#define WRONG_SECRET "whsec_d3JvbmcgLSBub3QgdGhlIHNlY3JldCBvZiB0aGlzIHNpbms="

struct world {
    struct cluster cluster;
    struct sink sink;
    ordersched_client *client;
    unsigned calls; /* of orderctl */
};

static void world_open(struct world *w)
{
    memset(w, 0, sizeof *w);
    cluster_init(&w->cluster, 3);
    sink_start(&w->sink, w->cluster.dir, NULL);
    cluster_start_all(&w->cluster);
    (void)cluster_wait_leader(&w->cluster, 20000);
    w->client = cluster_client(&w->cluster);
}

static void world_close(struct world *w)
{
    ordersched_close(w->client);
    for (unsigned i = 0; i < w->cluster.n; i++) {
        int status = cluster_stop(&w->cluster, i);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    sink_stop(&w->sink);
    cluster_close(&w->cluster, false);
}

/* Run orderctl with these arguments, NULL-terminated, and -w json. Returns what it printed, for the
 * caller to release, or NULL when that was no object; *code is its exit code. */
static json_t *orderctl(struct world *w, const char *const *arguments, int *code)
{
    char program[512];
    char output[600];
    char *argv[24] = {program, "--endpoints", w->cluster.endpoints, "-w", "json"};
    unsigned n = 5;

    process_path("orderctl", program, sizeof program);
    snprintf(output, sizeof output, "%s/orderctl-%u", w->cluster.dir, w->calls++);
    while (*arguments != NULL) {
        assert_true(n < 23);
        argv[n++] = (char *)*arguments++;
    }
    int status = process_wait(process_start(argv, output, NULL, NULL));
    assert_true(WIFEXITED(status));
    *code = WEXITSTATUS(status);
    return json_load_file(output, 0, NULL);
}

#define ORDERCTL(w, code, ...) orderctl((w), (const char *const[]){__VA_ARGS__, NULL}, (code))

static json_int_t number(json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* orderctl must succeed; the number of this key in its answer. */
#define NUMBER_OF(w, key, ...) number_and_release(ORDERCTL_DONE((w), __VA_ARGS__), (key))
#define ORDERCTL_DONE(w, ...) done((w), (const char *const[]){__VA_ARGS__, NULL})

static json_t *done(struct world *w, const char *const *arguments)
{
    int code;
    json_t *object = orderctl(w, arguments, &code);

    assert_int_equal(code, 0);
    assert_non_null(object);
    return object;
}

static json_int_t number_and_release(json_t *object, const char *key)
{
    json_int_t n = number(object, key);

    json_decref(object);
    return n;
}

static void order_name(unsigned i, char out[16])
{
    snprintf(out, 16, "order-%03u", i);
}

/* All of them die of their first failed delivery: the receiver refuses what it cannot verify. (One
 * that is away would be asked a few times a second at most, and its orders would wait.) */
static void bury(struct world *w)
{
    struct ordersched_answer answer;
    char id[16];

    json_decref(ORDERCTL_DONE(w, "route", "put", "shop", "--url", w->sink.url, "--attempts", "1",
                              "--secret", WRONG_SECRET));
    for (unsigned i = 0; i < ORDERS; i++) {
        order_name(i, id);
        assert_int_equal(ordersched_schedule(w->client, id, 200, "shop", "{}", 2, &answer), 0);
    }
    uint64_t until = monotonic_ms() + 20000;
    while (cluster_status(&w->cluster, cluster_wait_leader(&w->cluster, 20000)).dead < ORDERS) {
        assert_true(monotonic_ms() < until);
        sleep_ms(20);
    }
}

static void expect_list(struct world *w)
{
    json_t *object = ORDERCTL_DONE(w, "dead", "list", "--route", "shop");
    json_t *orders = json_object_get(object, "orders");

    assert_int_equal(json_array_size(orders), ORDERS);
    for (size_t i = 0; i < ORDERS; i++) {
        json_t *order = json_array_get(orders, i);
        assert_int_equal(number(order, "attempts"), 1);
        assert_true(number(order, "died_ms") >= number(order, "deadline_ms"));
        assert_true(strlen(json_string_value(json_object_get(order, "reason"))) > 0);
    }
    json_decref(object);
}

/* The last event of an order's history, for the caller to release. */
static json_t *last_event(struct world *w, const char *id)
{
    json_t *object = ORDERCTL_DONE(w, "get", id, "--history");
    json_t *events = json_object_get(object, "history");
    json_t *event = json_incref(json_array_get(events, json_array_size(events) - 1));

    json_decref(object);
    return event;
}

static void expect_expired(struct world *w)
{
    uint64_t until = monotonic_ms() + 20000;
    char id[16];

    while (cluster_status(&w->cluster, cluster_wait_leader(&w->cluster, 20000)).expired < ORDERS) {
        assert_true(monotonic_ms() < until);
        sleep_ms(20);
    }
    for (unsigned i = 0; i < ORDERS; i++) {
        order_name(i, id);
        assert_int_equal(sink_find(&w->sink, id).effects, 1);
    }
}

static void dead_letters_outlive_their_leader_and_are_redriven(void **state)
{
    struct world w;
    json_t *event;

    (void)state;
    world_open(&w);
    bury(&w);
    unsigned leader = cluster_wait_leader(&w.cluster, 20000);
    cluster_kill(&w.cluster, leader);
    expect_list(&w);
    event = last_event(&w, "order-007");
    assert_string_equal(json_string_value(json_object_get(event, "event")), "attempt");
    assert_true(json_is_true(json_object_get(event, "dead")));
    assert_int_equal(number(event, "node"), w.cluster.nodes[leader].id);
    json_decref(event);

    /* Mended, but at rest: nothing is delivered until the route is resumed. */
    json_decref(
        ORDERCTL_DONE(&w, "route", "put", "shop", "--url", w.sink.url, "--secret", SINK_SECRET));
    json_decref(ORDERCTL_DONE(&w, "route", "pause", "shop"));
    assert_int_equal(NUMBER_OF(&w, "redriven", "dead", "redrive", "--route", "shop"), ORDERS);
    assert_int_equal(NUMBER_OF(&w, "redriven", "dead", "redrive", "--all"), 0);
    sleep_ms(500);
    assert_int_equal(sink_find(&w.sink, "order-007").deliveries, 0);
    json_decref(ORDERCTL_DONE(&w, "route", "resume", "shop"));
    expect_expired(&w);
    event = last_event(&w, "order-007");
    assert_string_equal(json_string_value(json_object_get(event, "state")), "EXPIRED");
    json_decref(event);
    cluster_start(&w.cluster, leader);
    cluster_expect_equal_digests(&w.cluster, 20000);
    world_close(&w);
}

static void what_is_dropped_ends_cancelled_for_good(void **state)
{
    struct world w;
    struct ordersched_answer answer;
    int code;

    (void)state;
    world_open(&w);
    bury(&w);
    assert_int_equal(NUMBER_OF(&w, "dropped", "dead", "drop", "order-000"), 1);
    json_decref(ORDERCTL(&w, &code, "dead", "drop", "order-000"));
    assert_int_equal(code, 1); /* it is no dead letter any more */
    json_decref(ORDERCTL(&w, &code, "dead", "show", "order-000"));
    assert_int_equal(code, 1);
    assert_int_equal(NUMBER_OF(&w, "dropped", "dead", "drop", "--before", "2020-01-01T00:00:00Z"),
                     0);
    assert_int_equal(NUMBER_OF(&w, "dropped", "dead", "drop", "--after", "2020-01-01T00:00:00Z"),
                     ORDERS - 1);
    cluster_kill(&w.cluster, cluster_wait_leader(&w.cluster, 20000));
    (void)cluster_wait_leader(&w.cluster, 20000);
    assert_int_equal(ordersched_pay(w.client, "order-001", &answer), ORDERSCHED_DECIDED);
    assert_int_equal(answer.state, ORDERSCHED_CANCELLED);
    assert_true(answer.index > 0);
    for (unsigned i = 0; i < w.cluster.n; i++) {
        if (w.cluster.nodes[i].pid == 0) {
            cluster_start(&w.cluster, i);
        }
    }
    cluster_expect_equal_digests(&w.cluster, 20000);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dead_letters_outlive_their_leader_and_are_redriven),
        cmocka_unit_test(what_is_dropped_ends_cancelled_for_good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
