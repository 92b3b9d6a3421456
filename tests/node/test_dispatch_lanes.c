/* test_dispatch_lanes.c - one route by itself: rates, first deliveries and retries, windows that
 * adapt, silence that is asked for, a pause.
 * Runs beside others: computes 5 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "../support/dispatch_desk.h"

/* --- rates --- */

static void a_rate_is_kept_with_its_burst(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 1000);
    desk_epoch(&t);
    desk_put(&t, "r", (struct route_settings){.window = 1000, .rate_per_s = 10, .burst = 3});
    desk_orders(&t, "r", 30);
    desk_pass(&t, 5000);
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 3);
    assert_int_equal(desk_wake_in_ms(&t), 100);
    t.now_ms += 99;
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 3);
    assert_int_equal(desk_wake_in_ms(&t), 1);
    t.now_ms += 1;
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 4);
    for (unsigned i = 0; i < 200; i++) { /* however often it is asked */
        t.now_ms += 10;
        desk_run(&t);
    }
    assert_int_equal(t.receiver.n_started, 24);
    desk_close(&t);
}

static void a_batch_waits_for_the_tokens_of_all_its_orders(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 1000);
    desk_epoch(&t);
    desk_put(&t, "r",
             (struct route_settings){.window = 1000, .batch = 5, .rate_per_s = 10, .burst = 7});
    desk_orders(&t, "r", 20);
    desk_pass(&t, 5000);
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 5);
    assert_int_equal(desk_wake_in_ms(&t), 300); /* 2 are left over */
    t.now_ms += 300;
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 10);
    desk_put(&t, "r", /* a burst smaller than the batch: batches of that size */
             (struct route_settings){.window = 1000, .batch = 5, .rate_per_s = 10, .burst = 2});
    t.now_ms += 200;
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 12);
    desk_close(&t);
}

/* --- first deliveries and retries --- */

/* Orders that have failed once and are ready again, beside new ones. */
static void with_firsts_and_retries(struct desk *t, unsigned n)
{
    char id[16];

    desk_open(t, 4000);
    desk_epoch(t);
    desk_route(t, "r", "http://one/", 4000);
    for (unsigned i = 0; i < n; i++) {
        snprintf(id, sizeof id, "old-%u", i);
        desk_order(t, "r", id, 1);
    }
    desk_pass(t, 10);
    desk_run(t);
    desk_end_all(t, OUTCOME_FAILED);
    desk_commit(t);
    desk_route(t, "r", "http://one/", 1);
    for (unsigned i = 0; i < n; i++) {
        snprintf(id, sizeof id, "new-%u", i);
        desk_order(t, "r", id, 1);
    }
    desk_pass(t, 5000);
}

static void first_deliveries_go_first_and_every_fourth_is_a_retry(void **state)
{
    struct desk t;

    (void)state;
    with_firsts_and_retries(&t, 12);
    for (unsigned i = 0; i < 16; i++) {
        desk_run(&t);
        assert_int_equal(t.receiver.n_held, 1);
        assert_memory_equal(t.receiver.held[0]->id, i % 4 == 3 ? "old" : "new", 3);
        desk_end_all(&t, OUTCOME_EXPIRED);
        desk_commit(&t);
    }
    for (unsigned i = 0; i < 8; i++) { /* now retries alone */
        desk_run(&t);
        assert_memory_equal(t.receiver.held[0]->id, "old", 3);
        desk_end_all(&t, OUTCOME_EXPIRED);
        desk_commit(&t);
    }
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 0);
    desk_close(&t);
}

static void a_batch_mixes_them_in_the_same_measure(void **state)
{
    struct desk t;
    unsigned old = 0;

    (void)state;
    with_firsts_and_retries(&t, 12);
    desk_put(&t, "r", (struct route_settings){.window = 12, .batch = 12});
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 12);
    for (unsigned i = 0; i < 12; i++) {
        old += memcmp(t.receiver.held[i]->id, "old", 3) == 0;
    }
    assert_int_equal(old, 3);
    desk_close(&t);
}

/* --- pace --- */

static void an_overloaded_receiver_gets_less_and_then_more_again(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 4000);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 16);
    desk_orders(&t, "r", 500);
    desk_pass(&t, 100);
    desk_run(&t);
    assert_int_equal(desk_count(&t, "r"), 16);
    t.now_ms += 10;
    while (idle_receiver_overload(&t.receiver, "r", 0)) { /* one bad moment */
    }
    desk_run(&t);
    assert_int_equal(desk_count(&t, "r"), 8);
    t.now_ms += 10;
    idle_receiver_overload(&t.receiver, "r", 0);
    desk_run(&t);
    assert_int_equal(desk_count(&t, "r"), 7); /* nothing new until it is below 4 */
    desk_end_all(&t, OUTCOME_EXPIRED);
    desk_run(&t);
    unsigned window = desk_count(&t, "r");
    assert_in_range(window, 4, 6);
    for (unsigned i = 0; i < 150; i++) {
        idle_receiver_end_of(&t.receiver, "r", OUTCOME_EXPIRED, 0);
        desk_run(&t);
        assert_true(desk_count(&t, "r") >= window);
        window = desk_count(&t, "r");
    }
    assert_int_equal(window, 16);
    desk_close(&t);
}

static void failures_that_are_no_overload_leave_the_window_alone(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 4000);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 16);
    desk_orders(&t, "r", 100);
    desk_pass(&t, 100);
    for (unsigned i = 0; i < 50; i++) {
        desk_run(&t);
        assert_int_equal(desk_count(&t, "r"), 16);
        t.now_ms += 1;
        idle_receiver_end_of(&t.receiver, "r", OUTCOME_FAILED, 7000);
    }
    desk_close(&t);
}

static void silence_asked_for_closes_the_route_and_not_another(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 4000);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 4);
    desk_route(&t, "s", "http://two/", 4);
    desk_orders(&t, "r", 20);
    desk_orders(&t, "s", 20);
    desk_pass(&t, 100);
    desk_run(&t);
    idle_receiver_overload(&t.receiver, "r", 30000);
    idle_receiver_end_of(&t.receiver, "s", OUTCOME_FAILED, 30000); /* one order's business */
    desk_run(&t);
    assert_int_equal(desk_count(&t, "r"), 3);
    assert_int_equal(desk_count(&t, "s"), 4);
    assert_int_equal(desk_wake_in_ms(&t), 30000);
    desk_end_all(&t, OUTCOME_EXPIRED);
    t.now_ms += 29999;
    desk_run(&t);
    assert_int_equal(desk_count(&t, "r"), 0);
    assert_int_equal(desk_count(&t, "s"), 4);
    t.now_ms += 1;
    desk_run(&t);
    assert_true(desk_count(&t, "r") >= 2);
    desk_close(&t);
}

static void whoever_puts_the_route_again_ends_the_silence(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 4000);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 4);
    desk_orders(&t, "r", 20);
    desk_pass(&t, 100);
    desk_run(&t);
    t.now_ms += 1;
    while (idle_receiver_overload(&t.receiver, "r", 3600000)) {
    }
    desk_run(&t);
    assert_int_equal(desk_count(&t, "r"), 0);
    desk_route(&t, "r", "http://elsewhere/", 4);
    desk_run(&t);
    assert_int_equal(desk_count(&t, "r"), 2);
    desk_close(&t);
}

/* A receiver that refuses at once: its orders' attempts must not be burnt in a tight loop. */
static void a_receiver_that_is_away_is_asked_a_few_times_a_second(void **state)
{
    struct desk t;
    unsigned before = 0;

    (void)state;
    desk_open(&t, 4000);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 64);
    desk_orders(&t, "r", 2000);
    desk_pass(&t, 100);
    for (unsigned ms = 0; ms < 20000; ms++) {
        desk_run(&t);
        while (idle_receiver_overload(&t.receiver, "r", 0)) {
        }
        t.now_ms++;
        if (ms == 1000) {
            before = t.receiver.n_started;
        }
    }
    assert_in_range(t.receiver.n_started - before, 8, 20);
    desk_close(&t);
}

/* --- paused routes --- */

static void a_paused_route_keeps_its_due_orders(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 100);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 4);
    desk_orders(&t, "r", 10);
    desk_pass(&t, 100);
    desk_run(&t);
    desk_pause(&t, "r", true);
    desk_end_all(&t, OUTCOME_EXPIRED); /* what was under way ends as ever */
    desk_commit(&t);
    desk_pass(&t, 3600000);
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 0);
    assert_int_equal(t.machine.stored.closing, 6);
    desk_pause(&t, "r", false);
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 4);
    desk_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_is_kept_with_its_burst),
        cmocka_unit_test(a_batch_waits_for_the_tokens_of_all_its_orders),
        cmocka_unit_test(first_deliveries_go_first_and_every_fourth_is_a_retry),
        cmocka_unit_test(a_batch_mixes_them_in_the_same_measure),
        cmocka_unit_test(an_overloaded_receiver_gets_less_and_then_more_again),
        cmocka_unit_test(failures_that_are_no_overload_leave_the_window_alone),
        cmocka_unit_test(silence_asked_for_closes_the_route_and_not_another),
        cmocka_unit_test(whoever_puts_the_route_again_ends_the_silence),
        cmocka_unit_test(a_receiver_that_is_away_is_asked_a_few_times_a_second),
        cmocka_unit_test(a_paused_route_keeps_its_due_orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
