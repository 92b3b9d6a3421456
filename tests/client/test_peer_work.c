/* test_peer_work.c - the works of tests/bench/peers on a system in this process that keeps what it
 * is given, or fails to in one way: no figure comes of a system that loses, repeats, hurries or
 * changes orders.
 * Runs beside others: waits 3 s. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../client/base/clocks.h"
#include "../bench/peers/peer_work.h"

#define ORDERS 40

enum fault { NONE, LOSES, REPEATS, IS_EARLY, DAMAGES, MISCOUNTS, REFUSES };

static enum fault fault;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct peer_order kept[ORDERS];
static unsigned n_kept;
static bool has_failed; /* once, where the fault is one of a single order */

static int fake_open(struct peer_conn *c)
{
    (void)c;
    return 0;
}

static void fake_close(struct peer_conn *c)
{
    (void)c;
}

static int fake_describe(struct peer_conn *c, json_t *row, json_t *settings)
{
    (void)c;
    (void)settings;
    json_object_set_new(row, "version", json_string("1"));
    return 0;
}

static int fake_put(struct peer_conn *c, struct peer_order *orders, unsigned n)
{
    int rv = 0;

    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < n && rv == 0; i++) {
        rv = n_kept == ORDERS || (fault == REFUSES && n_kept > 5) ? peer_fail(c, "it is full") : 0;
        if (rv == 0) {
            kept[n_kept++] = orders[i];
        }
    }
    pthread_mutex_unlock(&lock);
    return rv;
}

static int fake_take_back(struct peer_conn *c, const struct peer_order *orders, unsigned n)
{
    (void)c;
    (void)orders;
    pthread_mutex_lock(&lock);
    n_kept -= n;
    pthread_mutex_unlock(&lock);
    return 0;
}

/* One delivery at a time; what is delivered is gone. */
static int fake_receive(struct peer_conn *c, struct peer_receipt *out, unsigned max)
{
    uint64_t now_ms = clocks_wall_ms() + (fault == IS_EARLY ? 100 : 0);
    int n = 0;

    (void)c;
    (void)max;
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < n_kept && n == 0; i++) {
        if (kept[i].deadline_ms <= now_ms) {
            memcpy(out->id, kept[i].id, sizeof out->id);
            memcpy(out->payload, kept[i].payload, sizeof out->payload);
            out->payload[3] += fault == DAMAGES;
            n = 1;
            if (fault == REPEATS && !has_failed) {
                has_failed = true;
                continue;
            }
            kept[i] = kept[--n_kept];
            if (fault == LOSES && !has_failed) {
                has_failed = true;
                n = 0;
            }
        }
    }
    pthread_mutex_unlock(&lock);
    if (n == 0) {
        usleep(1000);
    }
    return n;
}

static int fake_count(struct peer_conn *c, uint64_t *n)
{
    (void)c;
    *n = n_kept + (fault == MISCOUNTS);
    return 0;
}

const struct peer peer = {
    .client = "none",
    .threads = 2,
    .batch = 4,
    .receivers = 2,
    .open = fake_open,
    .close = fake_close,
    .describe = fake_describe,
    .put = fake_put,
    .take_back = fake_take_back,
    .receive = fake_receive,
    .count = fake_count,
};

/* The exit code of a work on a system with this fault. */
static int with(enum fault what, int (*run)(struct work *w), uint64_t orders, json_t **row)
{
    struct work w = {.orders = orders,
                     .threads = 2,
                     .batch = 4,
                     .over_ms = 50,
                     .lead_ms = 150,
                     .patience_ms = 400,
                     .run = 7,
                     .row = json_object(),
                     .settings = json_object()};

    fault = what;
    n_kept = 0;
    has_failed = false;
    int rv = run(&w);
    json_decref(w.settings);
    if (row != NULL) {
        *row = w.row;
    } else {
        json_decref(w.row);
    }
    return rv;
}

static void a_sound_system_has_its_figures(void **state)
{
    json_t *row;

    (void)state;
    assert_int_equal(with(NONE, work_fire, ORDERS, &row), 0);
    assert_true(json_real_value(json_object_get(row, "ops_per_s")) > 0);
    assert_true(json_is_real(json_object_get(row, "p99_ms")));
    assert_string_equal(json_string_value(json_object_get(row, "version")), "1");
    json_decref(row);
    assert_int_equal(with(NONE, work_drain, ORDERS, NULL), 0);
    assert_int_equal(with(NONE, work_schedule, ORDERS, NULL), 0);
    assert_int_equal(with(NONE, work_pay, ORDERS, NULL), 0);
}

static void an_order_that_is_not_delivered_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(with(LOSES, work_drain, ORDERS, NULL), 1);
}

static void an_order_that_is_delivered_twice_is_an_error(void **state)
{
    json_t *row;

    (void)state;
    assert_int_equal(with(REPEATS, work_drain, ORDERS, &row), 1);
    assert_null(json_object_get(row, "ops_per_s"));
    json_decref(row);
}

static void an_early_delivery_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(with(IS_EARLY, work_fire, ORDERS, NULL), 1);
}

static void another_payload_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(with(DAMAGES, work_fire, ORDERS, NULL), 1);
}

static void a_count_that_is_not_right_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(with(MISCOUNTS, work_schedule, ORDERS, NULL), 1);
}

static void a_refusal_ends_the_measurement(void **state)
{
    (void)state;
    assert_int_equal(with(REFUSES, work_schedule, ORDERS, NULL), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_system_has_its_figures),
        cmocka_unit_test(an_order_that_is_not_delivered_is_an_error),
        cmocka_unit_test(an_order_that_is_delivered_twice_is_an_error),
        cmocka_unit_test(an_early_delivery_is_an_error),
        cmocka_unit_test(another_payload_is_an_error),
        cmocka_unit_test(a_count_that_is_not_right_is_an_error),
        cmocka_unit_test(a_refusal_ends_the_measurement),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
