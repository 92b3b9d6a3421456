/* test_dispatch_shares.c - what all routes share: the caps, a turn, and the measure of lateness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "../../client/base/clocks.h"
#include "../support/dispatch_desk.h"
#include "../support/random.h"

/* --- what all routes share --- */

static void a_dead_route_leaves_a_quarter_of_the_cap_to_others(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 100);
    desk_epoch(&t);
    desk_route(&t, "dead", "http://one/", 65536);
    desk_route(&t, "live", "http://two/", 64);
    desk_orders(&t, "dead", 1000);
    desk_pass(&t, 100);
    desk_run(&t); /* nobody else wants anything at the moment */
    assert_int_equal(desk_count(&t, "dead"), 75);
    desk_orders(&t, "live", 300);
    desk_pass(&t, 100);
    for (unsigned i = 0; i < 200; i++) {
        desk_run(&t);
        assert_int_equal(desk_count(&t, "dead"), 75);
        assert_int_equal(desk_count(&t, "live"), 25);
        idle_receiver_end_of(&t.receiver, "live", OUTCOME_EXPIRED, 0);
    }
    desk_close(&t);
}

static void a_route_alone_has_the_whole_cap(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 100);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 65536);
    desk_orders(&t, "r", 300);
    desk_pass(&t, 100);
    desk_run(&t);
    assert_int_equal(desk_count(&t, "r"), 100);
    desk_close(&t);
}

static void requests_have_a_cap_of_their_own(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 1000);
    t.dispatch.requests.max = 8;
    desk_epoch(&t);
    desk_put(&t, "batched", (struct route_settings){.window = 1000, .batch = 10});
    desk_put(&t, "work", (struct route_settings){.kind = ROUTE_WORKER, .window = 1000});
    desk_orders(&t, "batched", 200);
    desk_orders(&t, "work", 40);
    desk_pass(&t, 100);
    t.receiver.room = 30;
    desk_run(&t);
    assert_int_equal(desk_count(&t, "batched"), 60); /* 6 of 8: the rest is for others */
    assert_int_equal(desk_count(&t, "work"), 30);    /* no requests: no sockets */
    assert_int_equal(t.dispatch.requests.used, 6);
    desk_close(&t);
    assert_int_equal(t.dispatch.requests.used, 0);
}

static void memory_has_a_cap_and_one_delivery_always_fits(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 1000);
    t.dispatch.bytes.max = 10 * sizeof(struct delivery);
    desk_epoch(&t);
    desk_put(&t, "r", (struct route_settings){.window = 1000, .batch = 100});
    desk_orders(&t, "r", 200);
    desk_pass(&t, 100);
    desk_run(&t);
    assert_int_equal(desk_count(&t, "r"), 10);
    desk_end_all(&t, OUTCOME_EXPIRED);
    assert_int_equal(t.dispatch.bytes.used, 0);
    t.dispatch.bytes.max = 1;
    desk_run(&t);
    assert_int_equal(desk_count(&t, "r"), 1);
    desk_close(&t);
}

static void workers_get_what_they_have_room_for(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 1000);
    desk_epoch(&t);
    desk_put(&t, "work", (struct route_settings){.kind = ROUTE_WORKER, .window = 50, .batch = 9});
    desk_orders(&t, "work", 100);
    desk_pass(&t, 100);
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 0); /* nobody asks: nothing is held */
    assert_int_equal(t.dispatch.inflight.used, 0);
    t.receiver.room = 7;
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 7);
    assert_int_equal(t.receiver.n_batches, 7);
    t.receiver.room = 1000;
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 50);
    desk_close(&t);
}

static void the_receiver_is_told_to_end_orphans(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 10);
    desk_epoch(&t);
    desk_put(&t, "r", (struct route_settings){.window = 8, .batch = 4});
    desk_lose_leadership(&t);
    assert_int_equal(t.receiver.n_abandoned, 0); /* there were none */
    desk_epoch(&t);
    desk_orders(&t, "r", 20);
    desk_pass(&t, 100);
    desk_run(&t);
    assert_int_equal(t.dispatch.requests.used, 2);
    desk_lose_leadership(&t);
    assert_int_equal(t.receiver.n_abandoned, 1);
    desk_epoch(&t);
    desk_run(&t);
    assert_int_equal(desk_count(&t, "r"), 2); /* the orphans take up the rest */
    for (unsigned i = 0; i < 8; i++) {
        idle_receiver_end(&t.receiver, 0, OUTCOME_FAILED, 0);
    }
    assert_int_equal(t.dispatch.inflight.used, 2);
    assert_int_equal(t.dispatch.requests.used, 1);
    desk_run(&t);
    assert_int_equal(desk_count(&t, "r"), 6);
    desk_close(&t);
}

/* The cost of a run is bounded by the routes and the deliveries it starts, not by their product
 * nor by what waits. The bound is far above what it takes and far below what a scan would. */
static void a_run_over_1024_routes_is_short_whatever_waits(void **state)
{
    enum { ROUTES = MACHINE_ROUTES_MAX, DEAD = 20000 };
    struct desk t;
    char name[16];

    (void)state;
    desk_open(&t, 1000);
    desk_epoch(&t);
    desk_route(&t, "dead", "http://one/", 1);
    for (unsigned i = 1; i < ROUTES; i++) {
        snprintf(name, sizeof name, "r%u", i);
        desk_route(&t, name, "http://two/", 100);
    }
    desk_orders(&t, "dead", DEAD);
    desk_pass(&t, 100);
    while (dispatch_run(&t.dispatch, t.now_ms * 1000)) {
    }
    assert_int_equal(t.receiver.n_held, 1);
    desk_orders(&t, "r512", 200);
    desk_pass(&t, 100);
    uint64_t begin_ns = clocks_read_ns(CLOCK_THREAD_CPUTIME_ID);
    for (unsigned i = 0; i < 1000; i++) {
        idle_receiver_end_of(&t.receiver, "r512", OUTCOME_EXPIRED, 0);
        while (dispatch_run(&t.dispatch, t.now_ms * 1000)) {
        }
    }
    double ms = (double)(clocks_read_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns) / 1e6;
    printf("# 1000 runs over %d routes, %d orders waiting: %.1f ms\n", ROUTES, DEAD, ms);
    assert_true(t.receiver.n_started >= 200);
    assert_true(ms < 2000);
    desk_close(&t);
}

/* --- lateness --- */

static const struct histogram *part(const struct desk *t, const char *route, enum lateness_part p)
{
    uint16_t slot = (uint16_t)(machine_find_route(&t->machine, desk_text(route)) -
                               t->machine.routes);

    return &t->dispatch.lanes[slot].lateness->parts[p];
}

static void lateness_is_split_into_its_parts(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 10);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 1);
    desk_order(&t, "r", "a", 1000);
    t.now_ms += 1003;
    t.machine.clock_us = (t.now_ms + 7) * 1000; /* its entry took 7 ms to be applied */
    desk_pass(&t, 0);
    t.machine.clock_us = (t.now_ms + 9) * 1000; /* a later entry does not count */
    desk_pass(&t, 8);
    t.now_ms += 12;
    desk_run(&t);
    t.now_ms += 40;
    idle_receiver_end(&t.receiver, 0, OUTCOME_FAILED, 0);
    assert_int_equal(part(&t, "r", LATENESS_TIMER)->max, 3000);
    assert_int_equal(part(&t, "r", LATENESS_COMMIT)->max, 7000);
    assert_int_equal(part(&t, "r", LATENESS_QUEUE)->max, 13000);
    assert_int_equal(part(&t, "r", LATENESS_CALLBACK)->max, 40000);
    assert_int_equal(part(&t, "r", LATENESS_TOTAL)->max, 63000);
    desk_commit(&t);
    desk_pass(&t, 5000); /* the retry is on time by its own schedule: it makes nothing later */
    desk_run(&t);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    assert_int_equal(part(&t, "r", LATENESS_TOTAL)->n, 1);
    assert_int_equal(part(&t, "r", LATENESS_CALLBACK)->n, 2);
    assert_int_equal(t.dispatch.lateness->parts[LATENESS_TOTAL].max, 63000);
    desk_close(&t);
}

static void a_route_of_another_name_in_the_same_place_starts_afresh(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 10);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 4);
    desk_orders(&t, "r", 1);
    desk_pass(&t, 100);
    desk_run(&t);
    idle_receiver_overload(&t.receiver, "r", 86400000);
    desk_commit(&t);
    for (unsigned i = 0; i < 2; i++) { /* to its end */
        desk_route(&t, "r", "http://one/", 4);
        desk_pass(&t, 90000000);
        desk_run(&t);
        desk_end_all(&t, OUTCOME_EXPIRED);
        if (t.batcher.n_internal > 0) {
            desk_commit(&t);
        }
    }
    desk_pass(&t, 2000000); /* past the retention, and forgotten */
    desk_apply(&t, (struct operation){.code = OPERATION_ROUTE_DELETE, .id = desk_text("r")},
               ORDERSCHED_OK);
    desk_route(&t, "s", "http://one/", 9);
    desk_orders(&t, "s", 20);
    desk_pass(&t, 100);
    desk_run(&t);
    assert_int_equal(desk_count(&t, "s"), 9);
    assert_null(t.dispatch.lanes[0].lateness);
    desk_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_route_leaves_a_quarter_of_the_cap_to_others),
        cmocka_unit_test(a_route_alone_has_the_whole_cap),
        cmocka_unit_test(requests_have_a_cap_of_their_own),
        cmocka_unit_test(memory_has_a_cap_and_one_delivery_always_fits),
        cmocka_unit_test(workers_get_what_they_have_room_for),
        cmocka_unit_test(the_receiver_is_told_to_end_orphans),
        cmocka_unit_test(a_run_over_1024_routes_is_short_whatever_waits),
        cmocka_unit_test(lateness_is_split_into_its_parts),
        cmocka_unit_test(a_route_of_another_name_in_the_same_place_starts_afresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
