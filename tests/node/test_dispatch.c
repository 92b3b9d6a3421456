/* Deliveries: windows and the cap, turns, never early, orphans, keys, and what goes back into the
 * log; over a real machine and batcher whose entries the test applies by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/dispatch_desk.h"
#include "../support/random.h"

#define START_MS DESK_START_MS

/* A route "r" and its order "a", due and under way. */
static void desk_with_delivery(struct desk *t)
{
    desk_open(t, 10);
    desk_epoch(t);
    desk_route(t, "r", "http://one/", 5);
    desk_order(t, "r", "a", 1000);
    desk_pass(t, 1000);
    desk_run(t);
    assert_int_equal(t->receiver.n_held, 1);
}

static void nothing_starts_without_the_leadership_nor_before_the_deadline(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 10);
    desk_route(&t, "r", "http://one/", 5);
    desk_order(&t, "r", "a", 1000);
    desk_order(&t, "r", "b", 2000);
    desk_pass(&t, 1500);
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 0);
    desk_epoch(&t);
    t.now_ms += 10000; /* this node's clock says so, the log does not yet */
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 1);
    assert_memory_equal(t.receiver.held[0]->id, "a", 1);
    desk_close(&t);
}

static void a_route_keeps_its_window(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 100);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 3);
    desk_orders(&t, "r", 10);
    desk_pass(&t, 100);
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 3);
    idle_receiver_end(&t.receiver, 1, OUTCOME_EXPIRED, 0);
    assert_int_equal(t.n_woken, 1);
    desk_run(&t); /* a place is free as soon as the receiver has answered */
    assert_int_equal(t.receiver.n_held, 3);
    desk_route(&t, "r", "http://one/", 1); /* smaller: what runs goes on, nothing is added */
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 2);
    desk_close(&t);
}

static void routes_take_turns_under_the_cap_of_all(void **state)
{
    static const char *const names[] = {"x", "y", "z"};
    struct desk t;

    (void)state;
    desk_open(&t, 9);
    desk_epoch(&t);
    for (unsigned i = 0; i < 3; i++) {
        desk_route(&t, names[i], "http://one/", 100);
        desk_orders(&t, names[i], i == 0 ? 200 : 20); /* the first is flooded */
    }
    desk_pass(&t, 100);
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 9);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(idle_receiver_count(&t.receiver, names[i]), 3);
    }
    for (unsigned i = 0; i < 30; i++) { /* one place at a time: the turns go on */
        idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
        desk_run(&t);
        for (unsigned j = 0; j < 3; j++) {
            assert_in_range(idle_receiver_count(&t.receiver, names[j]), 2, 4);
        }
    }
    desk_close(&t);
}

static void a_route_that_stands_still_does_not_hold_up_another(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 10);
    desk_epoch(&t);
    desk_route(&t, "dead", "http://one/", 2);
    desk_route(&t, "live", "http://two/", 2);
    desk_orders(&t, "dead", 50);
    desk_orders(&t, "live", 50);
    desk_pass(&t, 100);
    desk_run(&t);
    for (unsigned done = 0; done < 50; done++) {
        unsigned i = 0;
        while (strcmp(t.receiver.held[i]->route, "live") != 0) {
            i++;
            assert_true(i < t.receiver.n_held);
        }
        idle_receiver_end(&t.receiver, i, OUTCOME_EXPIRED, 0);
        desk_commit(&t);
        desk_run(&t);
    }
    assert_int_equal(machine_find_route(&t.machine, desk_text("live"))->orders, 50);
    assert_int_equal(t.machine.stored.expired, 50);
    assert_int_equal(idle_receiver_count(&t.receiver, "dead"), 2);
    desk_close(&t);
}

static void one_call_starts_no_more_than_its_bound(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 1000);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 1000);
    desk_orders(&t, "r", 300);
    desk_pass(&t, 100);
    assert_true(dispatch_run(&t.dispatch, t.now_ms * 1000));
    assert_int_equal(t.receiver.n_held, 256);
    assert_false(dispatch_run(&t.dispatch, t.now_ms * 1000));
    assert_int_equal(t.receiver.n_held, 300);
    desk_close(&t);
}

static void a_delivery_carries_all_it_needs(void **state)
{
    struct desk t;

    (void)state;
    desk_with_delivery(&t);
    const struct delivery *v = t.receiver.held[0];
    assert_int_equal(v->fence_epoch, 1);
    assert_int_equal(v->fence_index, t.machine.applied);
    assert_int_equal(v->deadline_ms, START_MS + 1000);
    assert_int_equal(v->started_ms, t.now_ms);
    assert_int_equal(v->version, 1);
    assert_int_equal(v->attempt, 1);
    assert_string_equal(v->route, "r");
    assert_int_equal(v->settings->settings.timeout_ms, 1000);
    assert_memory_equal(v->id, "a", v->id_len);
    assert_memory_equal(v->payload, "{}", v->payload_len);
    assert_int_equal(strlen(v->key), 36);
    desk_route(&t, "r", "http://two/", 5); /* the next attempt goes there */
    assert_string_equal((const char *)v->settings->settings.url.data, "http://one/");
    idle_receiver_end(&t.receiver, 0, OUTCOME_FAILED, 0);
    desk_commit(&t);
    desk_pass(&t, 5000);
    desk_run(&t);
    assert_string_equal((const char *)t.receiver.held[0]->settings->settings.url.data,
                        "http://two/");
    desk_close(&t);
}

static void each_answer_becomes_its_outcome(void **state)
{
    static const struct {
        enum outcome outcome;
        uint64_t delay_ms;
        int after;
    } cases[] = {
        {OUTCOME_EXPIRED, 0, ORDERSCHED_EXPIRED},
        {OUTCOME_PAID, 0, ORDERSCHED_PAID},
        {OUTCOME_LATER, 7000, ORDERSCHED_CLOSING},
        {OUTCOME_FAILED, 3000, ORDERSCHED_CLOSING},
    };

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct desk t;
        desk_with_delivery(&t);
        idle_receiver_end(&t.receiver, 0, cases[i].outcome, cases[i].delay_ms);
        struct operation op = desk_queued(&t);
        assert_memory_equal(op.id.data, "a", op.id.len);
        assert_int_equal(op.epoch, 1);
        assert_int_equal(op.version, 1);
        assert_int_equal(op.attempt, 1);
        assert_int_equal(op.outcome, cases[i].outcome);
        assert_int_equal(op.delay_ms, cases[i].delay_ms);
        desk_run(&t); /* not again while its outcome is on its way */
        assert_int_equal(t.receiver.n_started, 1);
        desk_commit(&t);
        assert_int_equal(desk_state_of(&t, "a"), cases[i].after);
        desk_run(&t);
        assert_int_equal(t.receiver.n_started, 1);
        desk_close(&t);
    }
}

static void jitter_only_delays_and_by_a_tenth_at_most(void **state)
{
    static const uint64_t randoms[] = {0, 1, 50, 99, 100, 101, UINT64_MAX, 12345678901234567ull};

    (void)state;
    for (unsigned i = 0; i < sizeof randoms / sizeof *randoms; i++) {
        struct desk t;
        desk_with_delivery(&t);
        t.random = randoms[i];
        idle_receiver_end(&t.receiver, 0, OUTCOME_FAILED, 0);
        assert_in_range(desk_queued(&t).jitter_ms, 0, 100);
        desk_commit(&t);
        assert_in_range(machine_next_ms(&t.machine) - t.machine.now_ms, 1000, 1100);
        desk_pass(&t, 999);
        desk_run(&t);
        assert_int_equal(t.receiver.n_started, 1);
        desk_pass(&t, 101);
        desk_run(&t);
        assert_int_equal(t.receiver.n_started, 2);
        idle_receiver_end(&t.receiver, 0, OUTCOME_LATER, 4000);
        assert_int_equal(desk_queued(&t).jitter_ms, 0); /* as the receiver asked */
        desk_close(&t);
    }
}

static void the_key_is_the_orders_at_each_attempt(void **state)
{
    struct desk t;
    char key[37];

    (void)state;
    desk_with_delivery(&t);
    memcpy(key, t.receiver.held[0]->key, sizeof key);
    assert_memory_equal(key, "osd_", 4);
    assert_int_equal(strspn(key + 4, "0123456789abcdef"), 32);
    for (uint32_t attempt = 2; attempt <= 3; attempt++) { /* failed, then later, then a failover */
        uint64_t fence = t.receiver.held[0]->fence_index;
        idle_receiver_end(&t.receiver, 0, attempt == 2 ? OUTCOME_FAILED : OUTCOME_LATER, 0);
        desk_commit(&t);
        desk_pass(&t, 5000);
        desk_run(&t);
        assert_int_equal(t.receiver.held[0]->attempt, attempt);
        assert_string_equal(t.receiver.held[0]->key, key);
        assert_true(t.receiver.held[0]->fence_index > fence);
    }
    desk_close(&t);
}

static void the_leadership_lost_makes_orphans_whose_outcomes_are_dropped(void **state)
{
    struct desk t;
    char key[37];

    (void)state;
    desk_with_delivery(&t);
    memcpy(key, t.receiver.held[0]->key, sizeof key);
    desk_lose_leadership(&t);
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 1);
    desk_epoch(&t);
    desk_run(&t);
    assert_int_equal(t.receiver.n_started, 2);
    assert_string_equal(t.receiver.held[1]->key, key);
    assert_int_equal(t.receiver.held[1]->fence_epoch, 2);
    idle_receiver_end(&t.receiver, 0, OUTCOME_PAID, 0);
    assert_int_equal(t.batcher.n_internal, 0);
    assert_int_equal(desk_state_of(&t, "a"), ORDERSCHED_CLOSING);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0);
    desk_commit(&t);
    assert_int_equal(desk_state_of(&t, "a"), ORDERSCHED_EXPIRED);
    desk_close(&t);
}

static void orphans_take_places_of_the_cap_but_not_of_a_window(void **state)
{
    struct desk t;

    (void)state;
    desk_open(&t, 5);
    desk_epoch(&t);
    desk_route(&t, "r", "http://one/", 3);
    desk_orders(&t, "r", 10);
    desk_pass(&t, 100);
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 3);
    desk_lose_leadership(&t);
    desk_epoch(&t);
    desk_run(&t);
    assert_int_equal(t.receiver.n_held, 5);
    assert_int_equal(idle_receiver_count(&t.receiver, "r"), 2);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0); /* an orphan */
    desk_run(&t);
    assert_int_equal(idle_receiver_count(&t.receiver, "r"), 3);
    idle_receiver_end(&t.receiver, 0, OUTCOME_EXPIRED, 0); /* another: the window holds now */
    desk_run(&t);
    assert_int_equal(idle_receiver_count(&t.receiver, "r"), 3);
    desk_close(&t);
}

/* Random answers, losses of the leadership with outcomes queued, and changes of routes: windows and
 * the cap hold, and each order is decided in the end. */
static void whatever_happens_each_order_is_settled(void **state)
{
    static const char *const names[] = {"x", "y", "z"};
    enum { N = 60 };
    struct random rng = random_start();
    struct desk t;
    uint32_t window[3] = {2, 5, 9};

    (void)state;
    desk_open(&t, 11);
    desk_epoch(&t);
    for (unsigned i = 0; i < 3; i++) {
        desk_route(&t, names[i], "http://one/", window[i]);
        desk_orders(&t, names[i], N);
    }
    for (unsigned step = 0; step < 20000; step++) {
        uint64_t drawn = random_below(&rng, 100);
        t.random = random_next(&rng);
        if (drawn < 60 && t.receiver.n_held > 0) {
            uint64_t o = random_below(&rng, 10);
            idle_receiver_end(&t.receiver, (unsigned)random_below(&rng, t.receiver.n_held),
                              o < 5   ? OUTCOME_EXPIRED
                              : o < 6 ? OUTCOME_PAID
                              : o < 8 ? OUTCOME_LATER
                                      : OUTCOME_FAILED,
                              random_below(&rng, 3000));
        } else if (drawn < 85 && t.batcher.n_internal > 0) {
            desk_commit(&t);
        } else if (drawn < 88) {
            desk_lose_leadership(&t);
            desk_epoch(&t);
        } else if (drawn < 90) {
            unsigned i = (unsigned)random_below(&rng, 3);
            window[i] = 1 + (uint32_t)random_below(&rng, 9);
            desk_route(&t, names[i], "http://two/", window[i]);
        } else {
            desk_pass(&t, random_below(&rng, 2000));
        }
        unsigned before[3];
        for (unsigned i = 0; i < 3; i++) {
            before[i] = idle_receiver_count(&t.receiver, names[i]);
        }
        desk_run(&t);
        for (unsigned i = 0; i < 3; i++) {
            unsigned now = idle_receiver_count(&t.receiver, names[i]);
            assert_true(now <= window[i] || now == before[i]);
        }
    }
    assert_int_equal(t.machine.stored.pending + t.machine.stored.closing, 0);
    desk_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_starts_without_the_leadership_nor_before_the_deadline),
        cmocka_unit_test(a_route_keeps_its_window),
        cmocka_unit_test(routes_take_turns_under_the_cap_of_all),
        cmocka_unit_test(a_route_that_stands_still_does_not_hold_up_another),
        cmocka_unit_test(one_call_starts_no_more_than_its_bound),
        cmocka_unit_test(a_delivery_carries_all_it_needs),
        cmocka_unit_test(each_answer_becomes_its_outcome),
        cmocka_unit_test(jitter_only_delays_and_by_a_tenth_at_most),
        cmocka_unit_test(the_key_is_the_orders_at_each_attempt),
        cmocka_unit_test(the_leadership_lost_makes_orphans_whose_outcomes_are_dropped),
        cmocka_unit_test(orphans_take_places_of_the_cap_but_not_of_a_window),
        cmocka_unit_test(whatever_happens_each_order_is_settled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
